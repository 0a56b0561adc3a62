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
INSERT INTO "item" VALUES('ysn4y7fy1b',0,0,0,'done','77048cff96c842d8beb3a57987b0e743',1,'older_0000_seed-1000.png','9cfc0a4a9788682c53e02f754b1604b076a0dbf0cd3182ec1387f7aab25b77da',NULL,1.79538601158462953564e+09,1795386013.78758);
INSERT INTO "item" VALUES('ysn4y7fy1b',1,0,1,'done','7ca07fdabc9144ca91b23d813306cc18',1,'older_0001_seed-1001.png','3f0d5468f654e573666f9e9f5669d6a8188a412b606ee57df4ccc46677ee9316',NULL,1.79538601158528542513e+09,1.79538601442130637164e+09);
INSERT INTO "item" VALUES('ysn4y7fy1b',2,0,2,'done','c4f5c5503df14875b98cc069f05c52af',1,'older_0002_seed-1002.png','f197980e5b32cd1675d7ccc84c8d36db9a48107612e57b5ed6e6fddd237279dc',NULL,1.79538601158532500263e+09,1.79538601476761364933e+09);
INSERT INTO "item" VALUES('ysn4y7fy1b',3,0,3,'queued','d78ea1902282423790fffac8a48f1ca9',1,NULL,NULL,NULL,1.79538601158535218241e+09,NULL);
INSERT INTO "item" VALUES('ysn4y7fy1b',4,0,4,'queued','d606a993ef354fae968653b2343e8517',1,NULL,NULL,NULL,1.79538601379282546045e+09,NULL);
INSERT INTO "item" VALUES('ysn4y7fy1b',5,0,5,'queued','de0facde7214403398f6ddc563105e8e',1,NULL,NULL,NULL,1.79538601446177530293e+09,NULL);
INSERT INTO "item" VALUES('ysn4y7fy1b',6,0,6,'queued','fb9b913d5356479e983b39720e33cccc',1,NULL,NULL,NULL,1.7953860147829246521e+09,NULL);
INSERT INTO "item" VALUES('ysn4y7fy1b',7,0,7,'todo',NULL,0,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "part" VALUES('ysn4y7fy1b',0,'{"sdgen_plan": 1, "algorithm": 1, "resolved": {"sdgen_resolved": 1, "name": "older", "session_name": "older", "source": "text", "source_hash": "423558d94ba71b718925c4d1e6c523a05a99dadca0174f4ff1078777c3ce14cb", "files": [["text", "3885ef3359b44dfbe86234b08aa302dadda947c91d0a9b2685670a28b1749a40"]], "prompt": "a picture of {Value}", "negative": "not {Value}", "values": [["Value", [["v0", "value 0"], ["v1", "value 1"], ["v2", "value 2"], ["v3", "value 3"], ["v4", "value 4"], ["v5", "value 5"], ["v6", "value 6"], ["v7", "value 7"]]]], "generation": {"mode": "combinatorial", "seed": 1000, "seed_mode": "progressive", "max_images": -1, "variation_seed": null}, "removed": [], "weights": {}, "parameters": {}, "theme": null, "style": "default", "fixed": {}, "output": {"session_name": null, "filename_keys": [], "annotations": null}, "warnings": []}, "seeds": null, "count": null, "limit": null, "asked_seed": null, "variation_seed": 1000, "base_seed": 1000, "seed_key": 1000}','{"1": {"class_type": "SDGenTemplate", "inputs": {"file": "(the text below)", "text": "\ntype: prompt\nname: older\nversion: ''2.0''\nprompt: \"a picture of {Value}\"\nnegative_prompt: \"not {Value}\"\nimports:\n  Value:\n    v0: value 0\n    v1: value 1\n    v2: value 2\n    v3: value 3\n    v4: value 4\n    v5: value 5\n    v6: value 6\n    v7: value 7\ngeneration: {mode: combinatorial, seed: 1000, seed_mode: progressive, max_images: -1}\n", "theme": "", "style": "", "mode": "as written", "limit": 0}, "is_changed": [1795386011141926155]}, "2": {"class_type": "SDGenSessionPlan", "inputs": {"template": ["1", 0], "name": "older", "on_existing": "resume", "count": 0, "width": 16, "height": 16, "steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0, "item": ""}, "is_changed": [1795386011161225931]}, "3": {"class_type": "StubLoader", "inputs": {"ckpt_name": "stub"}}, "4": {"class_type": "StubImage", "inputs": {"seed": ["2", 2], "text": ["2", 0], "fail_at": "", "wait": 0.3, "batch": 1, "loads": ["3", 0]}}, "5": {"class_type": "SDGenSessionSave", "inputs": {"images": ["4", 0], "file_name": ["2", 10], "item": ""}}}','2',NULL,'{"width": 16, "height": 16, "steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0, "item_widget": 10}');
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
INSERT INTO "session" VALUES('ysn4y7fy1b','0709b256be1df6e50c7ca66135aed104f7d7d2449a529a1713ee74a801a00ba8','older','FOLDER','running','',1795386011.57596,1.79538601476761364933e+09,1,'2','fd89e8e5009f4ee295ba244787be8906',8,4,3,0,0,3.13078846400094334967e+00);
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
