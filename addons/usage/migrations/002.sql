-- What switching provider or model within a conversation costs. Rows of before say of no switch: nobody looked.

ALTER TABLE requests ADD COLUMN switched_from VARCHAR DEFAULT '';
ALTER TABLE requests ADD COLUMN cost_switch DECIMAL(18,10) DEFAULT 0;
