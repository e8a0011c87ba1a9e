-- "toc1": tells the file from any other program's database.
PRAGMA application_id = 0x746F6331;

-- Times are microseconds since 1970, days are days since 1970, both UTC.

-- A rule of a tenant, and how often it fired.
CREATE TABLE rule (
  id        INTEGER PRIMARY KEY,
  namespace TEXT    NOT NULL,
  name      TEXT    NOT NULL,
  fired     INTEGER NOT NULL DEFAULT 0,
  last      INTEGER NOT NULL DEFAULT 0,
  UNIQUE (namespace, name)
) STRICT;

-- Alerts that were counted, by a digest of their key: each counts once.
CREATE TABLE firing (
  alert BLOB    NOT NULL PRIMARY KEY,
  rule  INTEGER NOT NULL,
  at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX firing_at ON firing (at);

CREATE TRIGGER firing_in AFTER INSERT ON firing BEGIN
  UPDATE rule SET fired = fired + 1, last = max(last, new.at) WHERE id = new.rule;
END;

-- Cases that were concluded, as JSON.
CREATE TABLE investigation (
  id        INTEGER PRIMARY KEY,
  namespace TEXT    NOT NULL,
  name      TEXT    NOT NULL,
  opened    INTEGER NOT NULL,
  body      TEXT    NOT NULL,
  UNIQUE (namespace, name)
) STRICT;
CREATE INDEX investigation_opened ON investigation (opened);

-- Cases that a human graded. The uid tells a case from one of the same name that was made anew.
CREATE TABLE grade (
  id        INTEGER PRIMARY KEY,
  namespace TEXT    NOT NULL,
  name      TEXT    NOT NULL,
  uid       TEXT    NOT NULL,
  verdict   TEXT    NOT NULL,
  grader    TEXT    NOT NULL,
  analyst   TEXT    NOT NULL,
  opened    INTEGER NOT NULL,
  UNIQUE (namespace, name)
) STRICT;
CREATE INDEX grade_opened ON grade (opened);

-- The rules that the grade of a case is about.
CREATE TABLE graded (
  grade   INTEGER NOT NULL,
  rule    INTEGER NOT NULL,
  day     INTEGER NOT NULL,
  verdict TEXT    NOT NULL,
  PRIMARY KEY (grade, rule)
) STRICT, WITHOUT ROWID;

-- How many graded cases of a rule are of a day: reading them takes as long however many there are.
CREATE TABLE tally (
  rule    INTEGER NOT NULL,
  day     INTEGER NOT NULL,
  verdict TEXT    NOT NULL,
  cases   INTEGER NOT NULL,
  PRIMARY KEY (rule, day, verdict)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER graded_in AFTER INSERT ON graded BEGIN
  INSERT INTO tally (rule, day, verdict, cases) VALUES (new.rule, new.day, new.verdict, 1)
    ON CONFLICT (rule, day, verdict) DO UPDATE SET cases = cases + 1;
END;
CREATE TRIGGER graded_out AFTER DELETE ON graded BEGIN
  UPDATE tally SET cases = cases - 1 WHERE rule = old.rule AND day = old.day AND verdict = old.verdict;
  DELETE FROM tally WHERE rule = old.rule AND day = old.day AND verdict = old.verdict AND cases < 1;
END;

-- How many graded cases the analyst and the human judged how.
CREATE TABLE agreement (
  analyst TEXT    NOT NULL,
  human   TEXT    NOT NULL,
  cases   INTEGER NOT NULL,
  PRIMARY KEY (analyst, human)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER grade_in AFTER INSERT ON grade BEGIN
  INSERT INTO agreement (analyst, human, cases) VALUES (new.analyst, new.verdict, 1)
    ON CONFLICT (analyst, human) DO UPDATE SET cases = cases + 1;
END;
CREATE TRIGGER grade_out AFTER DELETE ON grade BEGIN
  DELETE FROM graded WHERE grade = old.id;
  UPDATE agreement SET cases = cases - 1 WHERE analyst = old.analyst AND human = old.verdict;
END;
CREATE TRIGGER grade_change AFTER UPDATE OF analyst ON grade BEGIN
  UPDATE agreement SET cases = cases - 1 WHERE analyst = old.analyst AND human = old.verdict;
  INSERT INTO agreement (analyst, human, cases) VALUES (new.analyst, new.verdict, 1)
    ON CONFLICT (analyst, human) DO UPDATE SET cases = cases + 1;
END;

-- Raw events and evidence by their SHA-256, and how many bytes of them there are.
CREATE TABLE blob (
  id     INTEGER PRIMARY KEY,
  digest BLOB    NOT NULL UNIQUE,
  at     INTEGER NOT NULL,
  body   BLOB    NOT NULL
) STRICT;
CREATE INDEX blob_at ON blob (at);

CREATE TABLE kept (bytes INTEGER NOT NULL) STRICT;
INSERT INTO kept (bytes) VALUES (0);

CREATE TRIGGER blob_in AFTER INSERT ON blob BEGIN
  UPDATE kept SET bytes = bytes + length(new.body);
END;
CREATE TRIGGER blob_out AFTER DELETE ON blob BEGIN
  UPDATE kept SET bytes = bytes - length(old.body);
END;
