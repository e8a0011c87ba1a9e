package activity

import "time"

// RuleHistory is how often a rule fired in a namespace and how its cases were graded.
type RuleHistory struct {
	// Fired counts alerts, and LastFired is the latest; zero if there was none.
	Fired     int
	LastFired time.Time
	// Graded counts cases graded by humans; the three below are part of it.
	Graded                                         int
	TruePositives, BenignPositives, FalsePositives int
}
