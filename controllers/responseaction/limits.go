package responseaction

// Limits of the schema, in characters but for maxWarnings.
const (
	maxMessage  = 1024
	maxSummary  = 512
	maxWarning  = 512
	maxWarnings = 16
	maxDiff     = 32768
)

// maxInverse bounds status.inverse, in bytes, such that the API server takes the whole action.
const maxInverse = 512 << 10
