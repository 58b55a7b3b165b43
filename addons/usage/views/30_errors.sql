-- errors: one row a try that failed, and one for a request that failed without a try (refused here, or the agent left).
--
--   SELECT provider, error_class, count(*) FROM errors GROUP BY ALL
--
-- Names that a report is asked by are those of the request, but for these:
-- provider, model  that were tried
-- error_class      kind of failure, '' where only the status says it
-- status           HTTP status of that try; NULL where none came
-- at_us            when it was tried; `started_us` is when its request had arrived
-- waited_ms        waited after it, before the next try
-- saved            1 where the request went well all the same
-- given            1 where this is what the agent got in the end
CREATE OR REPLACE VIEW errors AS
WITH failed_tries AS (
    SELECT * FROM attempts WHERE error_class <> '' OR status >= 400
)
SELECT
    r.id,
    r.started_us,
    r.hour,
    r.day,
    r.week,
    r.month,
    r.profile,
    r.rule,
    coalesce(nullif(f.provider, ''), 'passthrough') AS provider,
    f.model,
    r.agent,
    r.session,
    r.project,
    r.origin,
    r.arm,
    f.error_class,
    f.status,
    f.started_us AS at_us,
    coalesce(n.wait_ms, 0) AS waited_ms,
    1 - r.failed AS saved,
    CAST(r.failed = 1 AND f.number = r.attempts AS TINYINT) AS given
FROM failed_tries f
JOIN counted r ON r.id = f.request_id
LEFT JOIN attempts n ON n.request_id = f.request_id AND n.number = f.number + 1
UNION ALL
SELECT
    id, started_us, hour, day, week, month, profile, rule, provider, model, agent, session, project, origin, arm,
    error_class, status, started_us AS at_us, 0 AS waited_ms, 0 AS saved, 1 AS given
FROM counted
WHERE failed = 1 AND NOT EXISTS (
    SELECT 1 FROM failed_tries f WHERE f.request_id = counted.id AND f.number = counted.attempts
);
