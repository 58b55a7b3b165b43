-- cache: one row a request that used tokens: what came from the prompt cache, and what that was worth.
--
--   SELECT provider, model, sum(cache_read_tokens) / sum(input) FROM cache GROUP BY ALL
--
-- Names are those of `counted`. Nothing is priced here: what it would have cost was recorded with the request.
-- input              tokens, cached ones included
-- cache_read_tokens  of them, read from the cache
-- cache_write_tokens of them, written to it
-- saved              USD by which it was cheaper than without any cache, less than 0 where writing cost more than reading
--                    saved; NULL where a price is unknown
-- unpriced           1 where that is so
-- write_extra        USD for what was written to the cache; NULL likewise
-- switches           1 where another provider or model had answered the conversation before
-- switch_cost        USD that the cache left behind would have saved; NULL where a price is unknown
-- switch_unpriced    1 where that is so
CREATE OR REPLACE VIEW cache AS
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
    1 AS requests,
    input,
    cache_read_tokens,
    cache_write_tokens,
    CAST(usage_source = 'estimated' AS TINYINT) AS estimated,
    known_uncached - known_cost AS saved,
    CAST(saved IS NULL AS TINYINT) AS unpriced,
    CAST(switched_from <> '' AS TINYINT) AS switches,
    cost_switch AS switch_cost,
    CAST(switched_from <> '' AND cost_switch IS NULL AS TINYINT) AS switch_unpriced
FROM counted
WHERE usage_source <> 'none';
