-- savings: one row a request that used tokens: what it cost, and what the model that was asked for would have cost.
--
--   SELECT rule, sum(as_asked) - sum(cost) AS saved, sum(unknown) FROM savings GROUP BY rule
--
-- Columns are those of `counted`, and these. Nothing is priced here: both were priced when the request was recorded,
-- the second as if the conversation had been with that model all along, so that its cache would have been there. Tokens
-- are the same; another model may have used more or fewer.
-- cost      USD; NULL where this or the other price is unknown, so that sums compare the same requests
-- as_asked  USD that the model asked for would have cost at the provider asked for; NULL likewise
-- unknown   1 where that is so
-- kept      1 where the model asked for answered
CREATE OR REPLACE VIEW savings AS
SELECT
    *,
    CAST(known_cost IS NULL OR known_as_asked IS NULL AS TINYINT) AS unknown,
    CASE WHEN unknown = 0 THEN known_cost END AS cost,
    CASE WHEN unknown = 0 THEN known_as_asked END AS as_asked,
    CAST(provider = asked_provider AND model = requested_model AS TINYINT) AS kept
FROM counted
WHERE NOT (failed = 1 AND usage_source = 'none');
