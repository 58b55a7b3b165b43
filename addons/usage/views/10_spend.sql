-- spend: one row a request, or for a day that was pruned one for all that are alike, with what the `usage` reports
-- group by and add up.
--
--   SELECT rule, sum(requests), sum(input), sum(output), sum(known_cost) FROM spend GROUP BY rule
--
-- Nothing is priced here: a request was priced once, when it was recorded, and is only added up from then on.
-- Each request counts once. One that was imported from an agent's own log counts up to the first that the proxy saw of
-- its session, and not from then on (see `counted`); `requests` has it all the same.
-- id              as in `requests` and `attempts`; '' for a day that was pruned (`usage prune`, table `daily`)
-- started         when the request had arrived; `started_us` is the same in microseconds since the epoch
-- hour            the hour of that in the session's time zone (SET TimeZone): TIMESTAMP of its beginning;
--                 NULL if pruned
-- day             its day, in that time zone
-- week, month     the Monday of its week, the first day of its month
-- rule            label of the rule that decided, 'shadow of …' for a copy that was sent to compare
-- model           the model that the provider was asked for
-- provider        the provider it went to, 'passthrough' where it went to a host that no provider is known for
-- project         the folder that the agent works in, its last part; '' where it is not known
-- status          HTTP status that the agent got; NULL where it got none
-- origin          'proxy', 'shadow' or 'import:AGENT'
-- arm             arm of a rule's split that it was sent to; '' else
-- session         as the agent says it; '(by day only)' if pruned
-- requests        1, or how many were alike; likewise all below
-- failed          1 where the agent got an error, or no whole answer
-- input, output   tokens; cached and reasoning ones included
-- known_cost      USD; NULL where a price is unknown, 0 for a request that failed before it used a token
-- unpriced        1 where tokens were used, or may have been, and the price is unknown
-- estimated       1 where the provider did not report the tokens
-- switches        1 where another provider or model had answered the conversation before
-- switch          which, and which it is now: 'groq/llama-3.3-70b-versatile → anthropic/claude-sonnet-4-5'; '' else
-- switch_cost     USD of known_cost that reading the cache left behind would have saved; NULL where a price is unknown
-- switch_unpriced 1 where that is so
CREATE OR REPLACE VIEW spend AS
SELECT
    id,
    started_us,
    make_timestamptz(started_us) AS started,
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
    status,
    origin,
    arm,
    requests,
    failed,
    input,
    output,
    known_cost,
    unpriced,
    estimated,
    switches,
    CASE WHEN switched_from = '' THEN '' ELSE switched_from || ' → ' || provider || '/' || model END AS switch,
    cost_switch AS switch_cost,
    switch_unpriced
FROM counted
UNION ALL BY NAME
SELECT
    '' AS id,
    started_us,
    make_timestamptz(started_us) AS started,
    CAST(NULL AS TIMESTAMP) AS hour,
    day,
    CAST(date_trunc('week', day) AS DATE) AS week,
    CAST(date_trunc('month', day) AS DATE) AS month,
    profile,
    rule,
    provider,
    model,
    agent,
    '(by day only)' AS session,
    project,
    status,
    origin,
    arm,
    requests,
    failed,
    input_tokens + image_input_tokens + audio_input_tokens
        + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens AS input,
    output_tokens + reasoning_tokens + image_output_tokens + audio_output_tokens AS output,
    known_cost,
    unpriced,
    estimated,
    switches,
    switch,
    switch_cost,
    switch_unpriced
FROM daily;
