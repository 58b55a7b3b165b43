-- accuracy: one row a request whose input was counted before it left and reported afterwards.
--
--   SELECT provider, model, median(ratio) FROM accuracy GROUP BY ALL
--
-- Names are those of `counted`.
-- counted_tokens   o200k_base tokens of the input
-- estimated        that times `calibration`, the ratio that was learned by then: what token thresholds were compared with
-- reported         the provider's own count
-- ratio            estimated to reported; 1 is right, above it was overestimated
-- error            how far it was off, as a part of what was reported
-- needed           the calibration that would have been right
CREATE OR REPLACE VIEW accuracy AS
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
    counted_tokens,
    calibration,
    estimated_input_tokens AS estimated,
    input AS reported,
    estimated_input_tokens / input AS ratio,
    abs(estimated_input_tokens - input) / input AS error,
    input / counted_tokens AS needed
FROM counted
WHERE usage_source = 'reported' AND input > 0 AND counted_tokens > 0 AND estimated_input_tokens IS NOT NULL;
