package audit

import (
	"time"
)

// Report is what a verified log is.
type Report struct {
	// Origin names the log in its checkpoints.
	Origin string
	// Size is the number of entries that the checkpoint signs.
	Size int64
	// RootHash of the Merkle tree over them, in hex.
	RootHash string
	// Checkpoint as signed: keep it elsewhere, and verify later logs against it.
	Checkpoint []byte
	// LastTime is the time of the last entry; zero for an empty log.
	LastTime time.Time
	// Unsigned is the number of entries behind the signed ones, in a copy that was
	// taken just before the operator signed them.
	Unsigned int64
	// Unfinished are files of writes that were not finished; they are no part of the log.
	Unfinished []string
}
