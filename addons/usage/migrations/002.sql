-- What switching provider or model within a conversation costs, what the model asked for would have, and what a
-- backtest needs. Rows of before say of no switch: nobody looked.

ALTER TABLE requests ADD COLUMN switched_from VARCHAR DEFAULT '';
ALTER TABLE requests ADD COLUMN cost_switch DECIMAL(18,10) DEFAULT 0;
ALTER TABLE requests ADD COLUMN asked_provider VARCHAR DEFAULT '';
ALTER TABLE requests ADD COLUMN project VARCHAR DEFAULT '';
ALTER TABLE requests ADD COLUMN cost_as_asked DECIMAL(18,10);
ALTER TABLE requests ADD COLUMN tokens_low BIGINT;
ALTER TABLE requests ADD COLUMN tokens_high BIGINT;
ALTER TABLE requests ADD COLUMN origin VARCHAR DEFAULT 'proxy';
ALTER TABLE requests ADD COLUMN arm VARCHAR DEFAULT '';
ALTER TABLE requests ADD COLUMN stop_reason VARCHAR DEFAULT '';
ALTER TABLE requests ADD COLUMN shadow_of VARCHAR DEFAULT '';
ALTER TABLE requests ADD COLUMN decision_ratio DOUBLE;
ALTER TABLE requests ADD COLUMN cost_uncached DECIMAL(18,10);
ALTER TABLE requests ADD COLUMN around BOOLEAN DEFAULT false;

-- What `usage prune` leaves of old requests: their sums by day, and what it takes to know them again.
CREATE TABLE daily (
    day DATE,
    started_us BIGINT,
    profile VARCHAR,
    rule VARCHAR,
    provider VARCHAR,
    model VARCHAR,
    agent VARCHAR,
    project VARCHAR,
    status INTEGER,
    origin VARCHAR,
    arm VARCHAR,
    switch VARCHAR,
    requests BIGINT,
    failed BIGINT,
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
    known_cost DECIMAL(18,10),
    unpriced BIGINT,
    estimated BIGINT,
    switches BIGINT,
    switch_cost DECIMAL(18,10),
    switch_unpriced BIGINT
);
CREATE TABLE pruned (id_hash UBIGINT, before_us BIGINT);
CREATE TABLE pruned_sessions (session_hash UBIGINT, first_us BIGINT);
