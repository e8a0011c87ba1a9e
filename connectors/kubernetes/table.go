package kubernetes

// questions are the read-only operations.
func questions() []question {
	return []question{
		describeWorkload{},
		permissions{},
		describeBinding{},
		describeObject{},
		vulnerabilities{},
		policyReports{},
		networkRules{},
	}
}

// reversible is an action with the one that takes it back; undoes is nil where nothing can.
type reversible struct {
	does, undoes action
}

func (r reversible) both() []action {
	if r.undoes == nil {
		return []action{r.does}
	}
	return []action{r.does, r.undoes}
}

// actions are the writing operations.
func actions() []reversible {
	return []reversible{
		{does: label, undoes: restoreLabels},
		{does: isolatePod{}, undoes: releasePod{}},
		{does: isolateWorkload, undoes: releaseWorkload},
		{does: isolateNamespace, undoes: releaseNamespace},
		{does: blockDestination{}, undoes: unblockDestination{}},
		{does: deletePod{}},
		{does: removeRoleBinding{}, undoes: createRoleBinding},
		{does: scaleToZero, undoes: scale},
		{does: cordon, undoes: uncordon},
		{does: captureEvidence{}},
		{does: deleteObject{}, undoes: recreateObject},
		{does: drain{}, undoes: uncordon},
		{does: evictPod{}},
		{does: annotate, undoes: restoreAnnotations},
		{does: restartWorkload{}},
		{does: rollbackWorkload{}, undoes: restoreRevision{}},
		{does: suspendCronJob, undoes: resumeCronJob},
		{does: taintNode, undoes: restoreTaint},
		{does: revokeServiceAccount{}, undoes: restoreServiceAccount{}},
		{does: lockIdentity, undoes: unlockIdentity},
		{does: blockImage, undoes: unblockImage},
	}
}
