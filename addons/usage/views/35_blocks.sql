-- blocks: one row a request, and the hour in UTC that the 5-hour blocks of Claude plans are made of.
--
--   SELECT hour_us, sum(requests), sum(tokens) FROM blocks WHERE provider = 'anthropic' GROUP BY hour_us ORDER BY hour_us
--
-- A block begins with the hour of the first request and lasts for 5 hours; the next one begins with the hour of the
-- first request after that. So every hour is of one block, and hours are all that it takes to tell them.
-- Columns are those of `counted`, and these.
-- hour_us  when that hour began, in microseconds since the epoch
-- tokens   in and out, cached and reasoning ones included
CREATE OR REPLACE VIEW blocks AS
SELECT
    *,
    started_us - started_us % 3600000000 AS hour_us,
    input + output AS tokens
FROM counted;
