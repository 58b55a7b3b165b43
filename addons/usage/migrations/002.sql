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
ALTER TABLE requests ADD COLUMN shadow_of VARCHAR DEFAULT '';
