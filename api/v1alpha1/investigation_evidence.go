package v1alpha1

// QuestionState is how a question ended.
// +kubebuilder:validation:Enum=Answered;Empty;Failed;TimedOut
type QuestionState string

const (
	// QuestionAnswered: there is an answer.
	QuestionAnswered QuestionState = "Answered"
	// QuestionEmpty: asked, and nothing was found.
	QuestionEmpty QuestionState = "Empty"
	// QuestionFailed: the tool refused, erred, or broke its own schema.
	QuestionFailed QuestionState = "Failed"
	// QuestionTimedOut: the tool did not answer in time.
	QuestionTimedOut QuestionState = "TimedOut"
)

// QuestionStatus is a question that was asked.
type QuestionStatus struct {
	// id of the question, unique within the case.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`

	// ask is the question in words.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Ask string `json:"ask,omitempty"`

	// connector and operation that were asked, as connector/operation.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	Use string `json:"use,omitempty"`

	// from names the Playbook that asks, or "universal".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	From string `json:"from,omitempty"`

	// state is how the question ended.
	// +required
	State QuestionState `json:"state,omitempty"`

	// message says why there is no answer.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// answerDigest is the hex SHA-256 of the answer, under which the archive keeps it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	AnswerDigest string `json:"answerDigest,omitempty"`
}

// Provenance is who could have written what a finding rests on.
// +kubebuilder:validation:Enum=Trusted;AttackerWritable
type Provenance string

const (
	// ProvenanceTrusted: the API server, the kernel, Git or a human vouches for it.
	ProvenanceTrusted Provenance = "Trusted"
	// ProvenanceAttackerWritable: the suspect may have written it, so it never lowers suspicion.
	ProvenanceAttackerWritable Provenance = "AttackerWritable"
)

// Evidence is one finding and its weight.
type Evidence struct {
	// id by which the narrative and the timeline cite the finding: E1, E2 ...
	// +required
	// +kubebuilder:validation:Pattern=`^E[0-9]{1,4}$`
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=5
	ID string `json:"id,omitempty"`

	// question whose answer it comes from, or "alert".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Question string `json:"question,omitempty"`

	// alert that the finding is about; empty if it is about the whole case.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Alert string `json:"alert,omitempty"`

	// finding in words.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Finding string `json:"finding,omitempty"`

	// provenance: who could have written what the finding rests on.
	// +required
	Provenance Provenance `json:"provenance,omitempty"`

	// group of findings that share a cause; the strongest of a group counts, the others weigh nothing.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Group string `json:"group,omitempty"`

	// claimed weight in centibans (tenths of a deciban), before floor, cap and grouping.
	// +optional
	Claimed int32 `json:"claimed"`

	// weight in centibans (tenths of a deciban) that counts.
	// +optional
	Weight int32 `json:"weight"`

	// note says why weight differs from claimed.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Note string `json:"note,omitempty"`
}
