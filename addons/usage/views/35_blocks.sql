-- blocks: one row a request, and the hour in UTC that the 5-hour blocks of Claude plans are made of.
--
--   SELECT hour_us, sum(requests), sum(tokens) FROM blocks WHERE provider = 'anthropic' GROUP BY hour_us ORDER BY hour_us
--
-- A block begins with the hour of the first request and lasts for 5 hours; the next one begins with the hour of the
-- first request after that. So every hour is of one block, and hours are all that it takes to tell them.
-- Names are those of `counted`.
-- hour_us     when that hour began, in microseconds since the epoch
-- tokens      in and out, cached and reasoning ones included
-- known_cost  USD; NULL where a price is unknown
-- unpriced    1 where that is so
-- estimated   1 where the provider did not report the tokens
CREATE OR REPLACE VIEW blocks AS
SELECT
    id,
    started_us,
    hour,
    day,
    week,
    month,
    profile,
    rule,
    provider,
    model,
    agent,
    session,
    project,
    origin,
    arm,
    status,
    started_us - started_us % 3600000000 AS hour_us,
    1 AS requests,
    input,
    output,
    input + output AS tokens,
    known_cost,
    CAST(known_cost IS NULL AS TINYINT) AS unpriced,
    CAST(usage_source = 'estimated' AS TINYINT) AS estimated
FROM counted;
