-- latency: one row an answer that came whole through the proxy, and how long it took.
--
--   SELECT provider, model, quantile_cont(first_byte_ms, 0.95) FROM latency GROUP BY ALL
--
-- Columns are those of `counted`, and these. What was read from agents' logs has no times of ours and is not here.
-- first_byte_ms     from the request's arrival to the first byte of the answer, tries that failed before included
-- total_ms          to the last byte
-- decision_ms       of it, from the body to the rule that took it
-- tokens_per_second output from the first byte to the last; NULL for answers that came in one piece
CREATE OR REPLACE VIEW latency AS
SELECT
    *,
    (first_byte_us - started_us) / 1000 AS first_byte_ms,
    (ended_us - started_us) / 1000 AS total_ms,
    decision_us / 1000 AS decision_ms,
    CASE WHEN stream AND output > 0 AND ended_us - first_byte_us >= 1000
        THEN output * 1000000 / (ended_us - first_byte_us) END AS tokens_per_second
FROM counted
WHERE failed = 0 AND first_byte_us IS NOT NULL AND origin IN ('proxy', 'shadow');
