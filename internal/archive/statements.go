package archive

// Statements of the writer, prepared when it starts.
const (
	begin    = `BEGIN IMMEDIATE`
	commit   = `COMMIT`
	rollback = `ROLLBACK`

	findRule   = `SELECT id FROM rule WHERE namespace = ? AND name = ?`
	addRule    = `INSERT INTO rule (namespace, name) VALUES (?, ?)`
	addFiring  = `INSERT INTO firing (alert, rule, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
	pruneFired = `DELETE FROM firing WHERE alert IN (SELECT alert FROM firing WHERE at < ? LIMIT ?)`
	pruneRules = `DELETE FROM rule WHERE id IN (SELECT id FROM rule WHERE last < ?
		AND NOT EXISTS (SELECT 1 FROM tally WHERE tally.rule = rule.id) LIMIT ?)`

	setCase = `INSERT INTO investigation (namespace, name, opened, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (namespace, name) DO UPDATE SET opened = excluded.opened, body = excluded.body`
	pruneCases    = `DELETE FROM investigation WHERE id IN (SELECT id FROM investigation WHERE opened < ? LIMIT ?)`
	pruneOverflow = `DELETE FROM investigation WHERE id IN (SELECT id FROM investigation ORDER BY opened DESC LIMIT ? OFFSET ?)`

	findGrade    = `SELECT id, uid, verdict, grader, analyst FROM grade WHERE namespace = ? AND name = ?`
	addGrade     = `INSERT INTO grade (namespace, name, uid, verdict, grader, analyst, opened) VALUES (?, ?, ?, ?, ?, ?, ?)`
	addGraded    = `INSERT INTO graded (grade, rule, day, verdict) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
	setAnalyst   = `UPDATE grade SET analyst = ? WHERE id = ?`
	removeGrade  = `DELETE FROM grade WHERE id = ?`
	pruneGrades  = `DELETE FROM grade WHERE id IN (SELECT id FROM grade WHERE opened < ? LIMIT ?)`
	addBlob      = `INSERT INTO blob (digest, at, body) VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET at = excluded.at WHERE at < ?`
	blobBytes    = `SELECT bytes FROM kept`
	pruneBlobs   = `DELETE FROM blob WHERE id IN (SELECT id FROM blob WHERE at < ? LIMIT ?)`
	removeOldest = `DELETE FROM blob WHERE id IN (SELECT id FROM blob ORDER BY at, id LIMIT ?)`
)

var statements = []string{
	begin, commit, rollback, findRule, addRule, addFiring, pruneFired, pruneRules, setCase, pruneCases, pruneOverflow,
	findGrade, addGrade, addGraded, setAnalyst, removeGrade, pruneGrades, addBlob, blobBytes, pruneBlobs, removeOldest,
}

// Queries of readers.
const (
	getRule      = `SELECT id, fired, last FROM rule WHERE namespace = ? AND name = ?`
	getTallies   = `SELECT day, verdict, cases FROM tally WHERE rule = ? ORDER BY day, verdict`
	getOwnGrade  = `SELECT graded.day, graded.verdict FROM grade JOIN graded ON graded.grade = grade.id WHERE grade.namespace = ? AND grade.name = ? AND graded.rule = ?`
	getCase      = `SELECT body FROM investigation WHERE namespace = ? AND name = ?`
	getAgreement = `SELECT analyst, human, cases FROM agreement ORDER BY analyst, human`
	getBlob      = `SELECT body FROM blob WHERE digest = ?`
)

var queries = []string{getRule, getTallies, getOwnGrade, getCase, getAgreement, getBlob}
