-- accuracy: one row a request whose input was counted before it left and reported afterwards.
--
--   SELECT provider, model, median(ratio) FROM accuracy GROUP BY ALL
--
-- Columns are those of `counted`, but for these.
-- estimated  tokens: `counted_tokens` (o200k_base, of the input) times `calibration`, the ratio that was learned by then;
--            what token thresholds were compared with
-- reported   the provider's own count
-- ratio      estimated to reported; 1 is right, above it was overestimated
-- error      how far it was off, as a part of what was reported
-- needed     the calibration that would have been right
CREATE OR REPLACE VIEW accuracy AS
SELECT
    * REPLACE (estimated_input_tokens AS estimated),
    input AS reported,
    estimated_input_tokens / input AS ratio,
    abs(estimated_input_tokens - input) / input AS error,
    input / counted_tokens AS needed
FROM counted
WHERE usage_source = 'reported' AND input > 0 AND counted_tokens > 0 AND estimated_input_tokens IS NOT NULL;
