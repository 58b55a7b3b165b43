-- traffic: one row for each time that something counts against limits by the minute.
--
--   SELECT provider, sum(requests), sum(tokens) FROM traffic WHERE at_us >= ? GROUP BY provider
--
-- Each attempt that left counts as a request of its provider when it started. Tokens are those of the whole request:
-- input when it had arrived, without what was read from the prompt cache, and output when it had ended. What was
-- imported from an agent's own log went around the proxy and is not here.
-- id              of the request, as in `requests` and `attempts`
-- provider        that it counts for, '' where it went to a host that no provider is known for
-- at_us           when, in microseconds since the epoch
-- ended_us        when the request had ended, never before at_us
-- requests        1 for an attempt, else 0
-- tokens          input or output, 0 for an attempt
CREATE OR REPLACE VIEW traffic AS
SELECT r.id, r.profile, a.provider, a.started_us AS at_us, r.ended_us, 1 AS requests, 0 AS tokens
FROM attempts a JOIN requests r ON r.id = a.request_id
WHERE a.error_class <> 'not-sent'
UNION ALL
SELECT
    id, profile, provider, started_us AS at_us, ended_us, 0 AS requests,
    input_tokens + image_input_tokens + audio_input_tokens + cache_write_5m_tokens + cache_write_1h_tokens AS tokens
FROM requests
WHERE NOT starts_with(origin, 'import:')
UNION ALL
SELECT
    id, profile, provider, ended_us AS at_us, ended_us, 0 AS requests,
    output_tokens + reasoning_tokens + image_output_tokens + audio_output_tokens AS tokens
FROM requests
WHERE NOT starts_with(origin, 'import:');
