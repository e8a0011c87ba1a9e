package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// requestPrefix of the names of the certificates that the demo asks for.
const requestPrefix = "tocsin-demo-"

// person makes somebody a user of the cluster: a key of their own, which stays
// here, and a certificate, which the cluster signs.
func (p *play) person(ctx context.Context, who string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	file, request := p.File(who+".csr.yaml"), requestPrefix+who
	if err := writeRequest(file, request, who, key); err != nil {
		return err
	}
	err = p.commands(ctx, "admin", [][]string{
		{"kubectl", "create", "-f", file},
		{"kubectl", "certificate", "approve", request},
	})
	if err != nil {
		return err
	}
	var certificate []byte
	err = lab.Eventually(ctx, time.Minute, "the cluster to sign the certificate of "+who, func(ctx context.Context) (bool, string, error) {
		issued, err := p.silent(ctx, "admin", io.Discard, "kubectl", "get", "csr", request, "-o", "jsonpath={.status.certificate}")
		if err != nil || issued == "" {
			return false, "not yet; does its controller manager have --cluster-signing-cert-file?", err
		}
		certificate, err = base64.StdEncoding.DecodeString(strings.TrimSpace(issued))
		return err == nil, "", err
	})
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return p.writeKubeconfig(who, &clientcmdapi.AuthInfo{
		ClientCertificateData: certificate, ClientKeyData: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded}),
	})
}

// writeRequest writes a CertificateSigningRequest for a user in no group.
func writeRequest(file, name, user string, key *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: user}}, key)
	if err != nil {
		return err
	}
	raw, err := yaml.Marshal(&certificatesv1.CertificateSigningRequest{
		TypeMeta:   metav1.TypeMeta{APIVersion: "certificates.k8s.io/v1", Kind: "CertificateSigningRequest"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			SignerName:        certificatesv1.KubeAPIServerClientSignerName,
			Usages:            []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
			ExpirationSeconds: ptr.To[int32](6 * 3600),
			Request:           pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
		},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(file, raw, 0o600)
}

// workload writes a kubeconfig that holds a ServiceAccount's token and nothing else.
func (p *play) workload(ctx context.Context, who, namespace, serviceAccount string, bound ...string) error {
	command := append([]string{"kubectl", "-n", namespace, "create", "token", serviceAccount, "--duration=6h"}, bound...)
	p.say("%s.kubeconfig: token of %s/%s from %s", who, namespace, serviceAccount, strings.Join(command, " "))
	token, err := p.silent(ctx, "admin", io.Discard, command...)
	if err != nil {
		return fmt.Errorf("token of ServiceAccount %s/%s", namespace, serviceAccount) // the output may hold it
	}
	return p.writeKubeconfig(who, &clientcmdapi.AuthInfo{Token: strings.TrimSpace(token)})
}

// writeKubeconfig for the cluster that the administrator reaches.
func (p *play) writeKubeconfig(who string, credentials *clientcmdapi.AuthInfo) error {
	config, err := clientcmd.LoadFromFile(p.kubeconfig("admin"))
	if err != nil {
		return err
	}
	config.AuthInfos = map[string]*clientcmdapi.AuthInfo{who: credentials}
	config.Contexts[config.CurrentContext].AuthInfo = who
	return clientcmd.WriteToFile(*config, p.kubeconfig(who))
}
