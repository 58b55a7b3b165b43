-- The first schema: one row a request, one row a try at a provider, and what was learned from both.
--
-- Columns and their meaning are those of rows.py. Times are microseconds since the epoch, money is USD, and NULL is unknown.

CREATE TABLE requests (
    id VARCHAR PRIMARY KEY,
    started_us BIGINT,
    first_byte_us BIGINT,
    ended_us BIGINT,
    profile VARCHAR,
    agent VARCHAR,
    session VARCHAR,
    agent_format VARCHAR,
    provider_format VARCHAR,
    asked_host VARCHAR,
    path VARCHAR,
    rule VARCHAR,
    provider VARCHAR,
    requested_model VARCHAR,
    routed_model VARCHAR,
    answered_model VARCHAR,
    stream BOOLEAN,
    messages INTEGER,
    tools INTEGER,
    tool_result BOOLEAN,
    has_system BOOLEAN,
    thinking BOOLEAN,
    images INTEGER,
    max_output_tokens BIGINT,
    counted_tokens BIGINT,
    calibration DOUBLE,
    estimated_input_tokens BIGINT,
    input_tokens BIGINT,
    image_input_tokens BIGINT,
    audio_input_tokens BIGINT,
    cache_read_tokens BIGINT,
    cache_write_5m_tokens BIGINT,
    cache_write_1h_tokens BIGINT,
    output_tokens BIGINT,
    reasoning_tokens BIGINT,
    image_output_tokens BIGINT,
    audio_output_tokens BIGINT,
    usage_source VARCHAR,
    cost_input DECIMAL(18,10),
    cost_cache_read DECIMAL(18,10),
    cost_cache_write DECIMAL(18,10),
    cost_output DECIMAL(18,10),
    cost_total DECIMAL(18,10),
    price_source VARCHAR,
    status INTEGER,
    error_class VARCHAR,
    attempts INTEGER,
    request_bytes BIGINT,
    response_bytes BIGINT,
    decision_us BIGINT,
    losses VARCHAR,
    note VARCHAR
);

CREATE TABLE attempts (
    request_id VARCHAR,
    number INTEGER,
    provider VARCHAR,
    model VARCHAR,
    key_label VARCHAR,
    status INTEGER,
    error_class VARCHAR,
    wait_ms BIGINT,
    started_us BIGINT,
    first_byte_us BIGINT,
    ended_us BIGINT
);

-- Per provider and model: reported to counted input tokens, and the last ratios that the estimate is the median of.
-- Without a key on purpose: DuckDB cannot update a row that has both a key and a list in one transaction.
CREATE TABLE calibration (
    provider VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    ratio DOUBLE NOT NULL,
    samples BIGINT NOT NULL,
    recent DOUBLE[] NOT NULL
);

-- One row: the number of the last migration, and a fingerprint of the views that were installed.
CREATE TABLE schema_version (version INTEGER NOT NULL, views VARCHAR NOT NULL);
INSERT INTO schema_version VALUES (0, '');
