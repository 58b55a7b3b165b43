-- cache: one row a request that used tokens: what came from the prompt cache, and what that was worth.
--
--   SELECT provider, model, sum(cache_read_tokens) / sum(input) FROM cache GROUP BY ALL
--
-- Columns are those of `counted`, cache_read_tokens and cache_write_tokens of its `input` among them, but for these.
-- Nothing is priced here: what it would have cost was recorded with the request.
-- saved       USD by which it was cheaper than without any cache, less than 0 where writing cost more than reading
--             saved; NULL where a price is unknown
-- unpriced    1 where that is so
-- switch_cost USD of known_cost that reading the cache left behind would have saved, where another provider or model had
--             answered the conversation before; what was read here all the same is no part of it. NULL where a price is
--             unknown
CREATE OR REPLACE VIEW cache AS
SELECT
    * REPLACE (CAST(known_uncached IS NULL OR known_cost IS NULL AS TINYINT) AS unpriced),
    known_uncached - known_cost AS saved,
    cost_switch AS switch_cost
FROM counted
WHERE usage_source <> 'none';
