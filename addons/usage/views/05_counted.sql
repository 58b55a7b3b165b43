-- counted: one row a request that counts, with the names that reports give them; what the views of all reports on
-- requests are made of. Most of these views have all its columns, and say only which they add.
--
--   SELECT provider, model, count(*), avg(ended_us - started_us) / 1000 FROM counted WHERE failed = 0 GROUP BY ALL
--
-- Columns are those of `requests`, but for these:
-- rule            label of the rule that decided, 'shadow of …' for a copy that was sent to compare
-- provider        the provider it went to, 'passthrough' where it went to a host that no provider is known for
-- model           the model that the provider was asked for
-- requests        1
-- failed          1 where the agent got an error, or no whole answer
-- input, output   tokens; cached and reasoning ones included
-- cache_write_tokens  input written to a cache, for however long
-- known_cost, known_as_asked, known_uncached  cost_total, cost_as_asked and cost_uncached: NULL where a price is unknown,
--                 0 for a request that failed before it used a token; nobody asked for a copy, so as asked it costs 0 too
-- unpriced        1 where known_cost is unknown
-- estimated       1 where the provider did not report the tokens
-- switches        1 where another provider or model had answered the conversation before
-- switch_unpriced 1 where that is so, and what it cost (cost_switch) is unknown
-- hour, day, week, month  when it had arrived, in the session's time zone (SET TimeZone), as in `spend`
-- Requests that were imported from an agent's own log count up to the first that the proxy saw of their session, and
-- after it where they are known to have gone around the proxy (`around`).
CREATE OR REPLACE VIEW counted AS
WITH each AS (
    SELECT * FROM requests WHERE NOT (origin >= 'import:' AND origin < 'import;')
    UNION ALL
    SELECT i.*
    FROM requests i LEFT JOIN (
        SELECT session, min(started_us) AS first_us FROM requests WHERE origin = 'proxy' AND session <> '' AND session IN
        (SELECT session FROM requests WHERE origin >= 'import:' AND origin < 'import;') GROUP BY session
    ) p ON p.session = i.session
    LEFT JOIN pruned_sessions d ON d.session_hash = md5_number_lower(i.session)
    WHERE i.origin >= 'import:' AND i.origin < 'import;'
        AND (i.around OR i.ended_us < coalesce(least(p.first_us, d.first_us), i.ended_us + 1))
)
SELECT
    id,
    started_us,
    first_byte_us,
    ended_us,
    decision_us,
    CAST(date_trunc('hour', make_timestamptz(started_us)) AS TIMESTAMP) AS hour,
    CAST(make_timestamptz(started_us) AS DATE) AS day,
    CAST(date_trunc('week', day) AS DATE) AS week,
    CAST(date_trunc('month', day) AS DATE) AS month,
    profile,
    CASE WHEN origin = 'shadow' AND NOT starts_with(rule, 'shadow of ') THEN 'shadow of ' || rule ELSE rule END AS rule,
    coalesce(nullif(provider, ''), 'passthrough') AS provider,
    coalesce(nullif(routed_model, ''), requested_model) AS model,
    asked_provider,
    requested_model,
    agent,
    session,
    project,
    origin,
    arm,
    shadow_of,
    stop_reason,
    stream,
    status,
    error_class,
    attempts,
    1 AS requests,
    CAST(error_class <> '' OR coalesce(status, 599) >= 400 AS TINYINT) AS failed,
    input_tokens + image_input_tokens + audio_input_tokens
        + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens AS input,
    cache_read_tokens,
    cache_write_5m_tokens + cache_write_1h_tokens AS cache_write_tokens,
    output_tokens + reasoning_tokens + image_output_tokens + audio_output_tokens AS output,
    usage_source,
    counted_tokens,
    calibration,
    estimated_input_tokens,
    CASE WHEN usage_source = 'none' AND failed = 1 THEN coalesce(cost_total, 0) ELSE cost_total END AS known_cost,
    CAST(known_cost IS NULL AS TINYINT) AS unpriced,
    CAST(usage_source = 'estimated' AS TINYINT) AS estimated,
    cost_cache_read,
    cost_cache_write,
    CASE WHEN usage_source = 'none' AND failed = 1 OR origin = 'shadow' THEN 0
        WHEN origin >= 'import:' AND origin < 'import;' THEN coalesce(cost_as_asked, cost_total)
        ELSE cost_as_asked END AS known_as_asked,
    CASE WHEN usage_source = 'none' AND failed = 1 THEN 0
        WHEN cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens = 0 THEN known_cost
        ELSE cost_uncached END AS known_uncached,
    switched_from,
    cost_switch,
    CAST(switched_from <> '' AS TINYINT) AS switches,
    CAST(switched_from <> '' AND cost_switch IS NULL AS TINYINT) AS switch_unpriced
FROM each;
