-- spend: one row a request, with what the `usage` reports group by and add up.
--
--   SELECT rule, sum(requests), sum(input), sum(output), sum(known_cost) FROM spend GROUP BY rule
--
-- Nothing is priced here: a request was priced once, when it was recorded, and is only added up from then on.
-- id              as in `requests` and `attempts`
-- started         when the request had arrived; `started_us` is the same in microseconds since the epoch
-- day             the day of that in the session's time zone (SET TimeZone)
-- model           the model that the provider was asked for
-- provider        the provider it went to, 'passthrough' where it went to a host that no provider is known for
-- failed          1 where the agent got an error, or no whole answer
-- input, output   tokens; cached and reasoning ones included
-- known_cost      USD; NULL where a price is unknown, 0 for a request that failed before it used a token
-- unpriced        1 where tokens were used, or may have been, and the price is unknown
-- estimated       1 where the provider did not report the tokens
-- switches        1 where another provider or model had answered the conversation before
-- switch          which, and which it is now: 'groq/llama-3.3-70b-versatile → anthropic/claude-sonnet-4-5'; '' else
-- switch_cost     USD of known_cost that would not have been paid without the switch; NULL where a price is unknown
-- switch_unpriced 1 where that is so
CREATE OR REPLACE VIEW spend AS
SELECT
    id,
    started_us,
    make_timestamptz(started_us) AS started,
    CAST(make_timestamptz(started_us) AS DATE) AS day,
    profile,
    rule,
    coalesce(nullif(provider, ''), 'passthrough') AS provider,
    coalesce(nullif(routed_model, ''), requested_model) AS model,
    agent,
    session,
    1 AS requests,
    CAST(error_class <> '' OR coalesce(status, 599) >= 400 AS TINYINT) AS failed,
    input_tokens + image_input_tokens + audio_input_tokens
        + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens AS input,
    output_tokens + reasoning_tokens + image_output_tokens + audio_output_tokens AS output,
    CASE WHEN cost_total IS NULL AND usage_source = 'none' AND failed = 1 THEN 0 ELSE cost_total END AS known_cost,
    CAST(known_cost IS NULL AS TINYINT) AS unpriced,
    CAST(usage_source = 'estimated' AS TINYINT) AS estimated,
    CAST(switched_from <> '' AS TINYINT) AS switches,
    CASE WHEN switched_from = '' THEN '' ELSE switched_from || ' → ' || coalesce(nullif(provider, ''), 'passthrough')
        || '/' || coalesce(nullif(routed_model, ''), requested_model) END AS switch,
    cost_switch AS switch_cost,
    CAST(switched_from <> '' AND cost_switch IS NULL AS TINYINT) AS switch_unpriced
FROM requests;
