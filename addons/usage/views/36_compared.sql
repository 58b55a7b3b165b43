-- compared: one row a request on a side of a comparison: in an arm of a rule that splits, or sent as its rule said and
-- copied to the rule's shadow, or such a copy.
--
--   SELECT rule, shadow, side, count(*), avg(known_cost) FROM compared GROUP BY ALL
--
-- Columns are those of `counted`, but for these; a request that was split and copied too has two rows.
-- rule            label of the rule that splits or has a shadow, also of its copies
-- shadow          where the copies went, provider/model; '' for a split
-- side            the arm, 'as sent', or 'copy'
-- elsewhere       1 where another provider answered than the arm's
-- first_byte_ms, total_ms  as in `latency`; NULL for a request that failed
-- cut_off         1 where the answer ended because it was too long
-- refused         1 where the model or a filter of the provider would not answer
-- Copies whose request is not in the ledger any more are not here: there is nothing to compare them with.
CREATE OR REPLACE VIEW compared AS
WITH sides AS (
    SELECT *, '' AS shadow, arm AS side FROM counted WHERE arm <> '' AND origin = 'proxy'
    UNION ALL
    SELECT sent.*, copy.provider || '/' || copy.model AS shadow, 'as sent' AS side
    FROM counted copy JOIN counted sent ON sent.id = copy.shadow_of
    WHERE copy.origin = 'shadow' AND copy.shadow_of <> ''
    UNION ALL
    SELECT copy.* REPLACE (sent.rule AS rule), copy.provider || '/' || copy.model AS shadow, 'copy' AS side
    FROM counted copy JOIN counted sent ON sent.id = copy.shadow_of
    WHERE copy.origin = 'shadow' AND copy.shadow_of <> ''
)
SELECT
    *,
    CAST(shadow = '' AND side <> 'passthrough' AND provider <> split_part(side, '/', 1) AS TINYINT) AS elsewhere,
    CASE WHEN failed = 0 THEN (first_byte_us - started_us) / 1000 END AS first_byte_ms,
    CASE WHEN failed = 0 THEN (ended_us - started_us) / 1000 END AS total_ms,
    CAST(stop_reason IN ('max tokens', 'context full') AS TINYINT) AS cut_off,
    CAST(stop_reason IN ('refusal', 'safety') AS TINYINT) AS refused
FROM sides;
