package lint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/config/crd"
	"github.com/tocsin-dev/tocsin/internal/check"
)

// schema is what the API server checks objects of one kind with.
type schema struct {
	structural *structural.Structural
	openAPI    validation.SchemaValidator
	// rules in CEL; nil where the kind has none.
	rules *cel.Validator
}

// files of the definitions by kind. What is not linted is not even read: a kind is
// loaded when the first object of it comes.
var files = map[string]string{
	"Alert": "alerts", "AlertSource": "alertsources", "Analyst": "analysts", "Approval": "approvals", "ApprovalPolicy": "approvalpolicies",
	"Connector": "connectors", "DetectionRule": "detectionrules", "Investigation": "investigations", "Playbook": "playbooks",
	"ResponseAction": "responseactions",
}

var schemas = struct {
	sync.Mutex
	loaded map[string]*schema
}{loaded: map[string]*schema{}}

// schemaOf returns the schema of a kind that there is.
func schemaOf(kind string) (*schema, error) {
	schemas.Lock()
	defer schemas.Unlock()
	if s := schemas.loaded[kind]; s != nil {
		return s, nil
	}
	s, err := define("soc.tocsin.dev_" + files[kind] + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	schemas.loaded[kind] = s
	return s, nil
}

func define(file string) (*schema, error) {
	raw, err := crd.Files.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(raw, &definition); err != nil {
		return nil, err
	}
	var internal apiextensions.CustomResourceValidation
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(definition.Spec.Versions[0].Schema, &internal, nil); err != nil {
		return nil, err
	}
	s := &schema{}
	if s.structural, err = structural.NewStructural(internal.OpenAPIV3Schema); err != nil {
		return nil, err
	}
	if s.openAPI, _, err = validation.NewSchemaValidator(internal.OpenAPIV3Schema); err != nil {
		return nil, err
	}
	if bytes.Contains(raw, []byte("x-kubernetes-validations")) { // making the validator takes long
		s.rules = cel.NewValidator(s.structural, true, celconfig.PerCallLimit)
	}
	return s, nil
}

// validate says what the API server would refuse of an object that is created. It fills
// in defaults and takes unknown fields out of the object.
func (s *schema) validate(ctx context.Context, value map[string]any) []check.Remark {
	remarks := metadata(value)
	unknown := pruning.PruneWithOptions(value, s.structural, true, structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		remarks = append(remarks, check.Errorf(check.RuleSchema, path, "there is no such field"))
	}
	defaulting.Default(value, s.structural)
	wrong := validation.ValidateCustomResource(nil, value, s.openAPI)
	if len(wrong) == 0 {
		wrong = listtype.ValidateListSetsAndMaps(nil, s.structural, value)
	}
	if len(wrong) == 0 && s.rules != nil {
		wrong, _ = s.rules.Validate(ctx, nil, s.structural, value, nil, celconfig.RuntimeCELCostBudget)
	}
	return append(remarks, asRemarks(wrong)...)
}

// metadata of every kind is the same.
func metadata(value map[string]any) []check.Remark {
	var meta metav1.ObjectMeta
	raw, err := json.Marshal(value["metadata"])
	if err != nil {
		return []check.Remark{check.Errorf(check.RuleSchema, "metadata", "%v", err)}
	}
	var remarks []check.Remark
	unknown, err := kjson.UnmarshalStrict(raw, &meta, kjson.DisallowUnknownFields)
	for _, e := range unknown {
		path := "metadata"
		var at kjson.FieldError
		if errors.As(e, &at) {
			path += "." + at.FieldPath()
		}
		remarks = append(remarks, check.Errorf(check.RuleSchema, path, "there is no such field"))
	}
	if err != nil {
		return append(remarks, check.Errorf(check.RuleSchema, "metadata", "%s", strings.TrimPrefix(err.Error(), "json: ")))
	}
	if meta.Namespace == "" {
		meta.Namespace = metav1.NamespaceDefault // kubectl or kustomize gives it one
	}
	if meta.Name == "" && meta.GenerateName != "" {
		meta.Name = "generated"
	}
	return append(remarks, asRemarks(apivalidation.ValidateObjectMeta(&meta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata")))...)
}

// repeated is the path that is in the detail again.
var repeated = regexp.MustCompile(`^\S* ?in body `)

func asRemarks(wrong field.ErrorList) []check.Remark {
	var remarks []check.Remark
	for _, e := range wrong {
		plain := *e
		plain.Detail = repeated.ReplaceAllString(e.Detail, "")
		message := plain.ErrorBody()
		if e.Type == field.ErrorTypeTypeInvalid { // the value is only its type
			message = strings.Replace(plain.Detail, ": ", ", not ", 1)
		}
		remarks = append(remarks, check.Errorf(check.RuleSchema, strings.TrimPrefix(strings.TrimPrefix(e.Field, "<nil>"), "."), "%s", message))
	}
	return remarks
}
