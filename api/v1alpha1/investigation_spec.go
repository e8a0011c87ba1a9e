package v1alpha1

// InvestigationState is what a human says of the case.
// +kubebuilder:validation:Enum=Open;Closed
type InvestigationState string

const (
	// StateOpen leaves closing to the analyst.
	StateOpen InvestigationState = "Open"
	// StateClosed closes the case.
	StateClosed InvestigationState = "Closed"
)

// Grade is a human's verdict on a case.
type Grade struct {
	// verdict of the human.
	// +required
	Verdict Verdict `json:"verdict,omitempty"`

	// by is the user name of the human, which admission proves.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	By string `json:"by,omitempty"`

	// reason of the human.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
}

// Note is a remark of a human.
type Note struct {
	// by is the user name of the human.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	By string `json:"by,omitempty"`

	// text of the remark.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Text string `json:"text,omitempty"`
}

// InvestigationSpec holds what humans say. The operator never writes it after creation.
type InvestigationSpec struct {
	// state: Closed closes the case, whatever the verdict.
	// +optional
	// +kubebuilder:default=Open
	State InvestigationState `json:"state,omitempty"`

	// grade is a human's verdict; it becomes history for the next case.
	// +optional
	Grade *Grade `json:"grade,omitempty"`

	// assignee is the user name of who works on the case.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Assignee string `json:"assignee,omitempty"`

	// notes of humans.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Notes []Note `json:"notes,omitempty"`
}
