BEGIN TRANSACTION;
CREATE TABLE item(
  session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE,
  idx INTEGER NOT NULL,         -- number of the image in its session
  part INTEGER NOT NULL,        -- which part of the session ...
  n INTEGER NOT NULL,           -- ... and which item of that part's plan
  state TEXT NOT NULL DEFAULT 'todo' CHECK(state IN ('todo','queued','done','failed','skipped')),
  prompt_id TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  file TEXT,
  sha256 TEXT,
  error TEXT,
  started REAL,
  finished REAL,
  PRIMARY KEY(session, idx)
) WITHOUT ROWID;
INSERT INTO "item" VALUES('sess0',0,0,0,'done','p0',1,'a.png','x',NULL,1.79537911201016664505e+09,1.79537911201082158092e+09);
INSERT INTO "item" VALUES('sess0',1,0,1,'failed','p1',1,NULL,NULL,'{"error": "e"}',1.79537911201044321062e+09,1.79537911201134729385e+09);
INSERT INTO "item" VALUES('sess0',2,0,2,'queued','p2',1,NULL,NULL,NULL,1.79537911201053333289e+09,NULL);
INSERT INTO "item" VALUES('sess0',3,0,3,'todo',NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "item" VALUES('sess0',4,0,4,'todo',NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "item" VALUES('sess1',0,0,0,'todo',NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "item" VALUES('sess1',1,0,1,'todo',NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "item" VALUES('sess1',2,0,2,'todo',NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "item" VALUES('sess1',3,0,3,'todo',NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "item" VALUES('sess1',4,0,4,'todo',NULL,0,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE part(                -- one at first, one more for each extension
  session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE,
  no INTEGER NOT NULL,
  plan TEXT NOT NULL,
  graph TEXT NOT NULL,          -- the user's API prompt, planner included
  planner TEXT NOT NULL,        -- node id of the planner in it
  workflow TEXT,                -- the canvas form, when a canvas queued it
  defaults TEXT NOT NULL,       -- parameters of the planner's widgets
  PRIMARY KEY(session, no)
);
INSERT INTO "part" VALUES('sess0',0,'{"a": 1}','{"1": {}}','2',NULL,'{"width": 64}');
INSERT INTO "part" VALUES('sess1',0,'{"a": 1}','{"1": {}}','2',NULL,'{"width": 64}');
CREATE TABLE session(
  id TEXT PRIMARY KEY,
  key TEXT NOT NULL,            -- what was asked for: same key, same work
  name TEXT NOT NULL,
  folder TEXT NOT NULL,
  state TEXT NOT NULL CHECK(state IN ('running','paused','completed','failed','stopped')),
  reason TEXT NOT NULL DEFAULT '',   -- why it is paused or failed, for people
  created REAL NOT NULL,
  updated REAL NOT NULL,
  order_no INTEGER NOT NULL,    -- sessions run in this order
  planner TEXT NOT NULL,        -- node id of the planner that shows the progress
  client TEXT,                  -- the browser tab that asked
  total INTEGER NOT NULL DEFAULT 0,
  queued INTEGER NOT NULL DEFAULT 0,
  done INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  seconds REAL NOT NULL DEFAULT 0     -- sum of the times from save to save
);
INSERT INTO "session" VALUES('sess0','k0','cats','out/cats','running','',1.79537911200892210004e+09,1.79537911201082158092e+09,1,'2','tab',5,1,1,1,0,1.5);
INSERT INTO "session" VALUES('sess1','k1','dogs','out/dogs','paused','later',1.79537911200967335704e+09,1.79537911201173019408e+09,2,'2','tab',5,0,0,0,0,0.0);
CREATE INDEX session_key ON session(key, order_no);
CREATE INDEX session_state ON session(state, order_no);
CREATE INDEX item_state ON item(session, state, idx);
CREATE TRIGGER item_state_changed AFTER UPDATE OF state ON item WHEN old.state <> new.state BEGIN
  UPDATE session SET
    queued = queued + (new.state='queued') - (old.state='queued'),
    done = done + (new.state='done') - (old.state='done'),
    failed = failed + (new.state='failed') - (old.state='failed'),
    skipped = skipped + (new.state='skipped') - (old.state='skipped')
  WHERE id = new.session;
END;
COMMIT;
PRAGMA user_version=1;
