package v1alpha1

// Configuration returns the status that all kinds written by people share.
func (s *AlertSource) Configuration() *ConfigurationStatus { return &s.Status }

// Configuration returns the status that all kinds written by people share.
func (r *DetectionRule) Configuration() *ConfigurationStatus { return &r.Status }

// Configuration returns the status that all kinds written by people share.
func (p *Playbook) Configuration() *ConfigurationStatus { return &p.Status }

// Configuration returns the status that all kinds written by people share.
func (a *Analyst) Configuration() *ConfigurationStatus { return &a.Status }

// Configuration returns the status that all kinds written by people share.
func (p *ApprovalPolicy) Configuration() *ConfigurationStatus { return &p.Status }

// Configuration returns the status that all kinds written by people share.
func (c *Connector) Configuration() *ConfigurationStatus { return &c.Status.ConfigurationStatus }
