package api

// fieldType says what a field may hold and how documents merge in it.
type fieldType int

const (
	structType      fieldType = iota // a mapping with known fields
	versionType                      // a string; the superset's wins
	stringType                       // later non-empty wins
	base64Type                       // a string; later non-empty wins
	boolType                         // later wins, false too
	listType                         // of strings; later non-empty replaces
	flagsType                        // of strings; later appends
	freeType                         // any mapping; deep merge
	tomlType                         // a string of TOML; deep merge by key
	gatesType                        // name to bool; merged by name
	stringMapType                    // name to string; merged by name
	environmentType                  // service to variable to secret; merged by variable
	ignoredType                      // anything; read past
)

// schema describes one field.
type schema struct {
	name   string
	typ    fieldType
	fields []schema // of a structType
}

func (s schema) child(name string) (schema, bool) {
	for _, f := range s.fields {
		if f.name == name {
			return f, true
		}
	}
	return schema{}, false
}

func object(name string, fields ...schema) schema {
	return schema{name: name, typ: structType, fields: fields}
}

func leaf(name string, typ fieldType) schema { return schema{name: name, typ: typ} }

// nodeConfigSchema is the shape of a document. Its order is the order of canonical
// YAML.
func nodeConfigSchema() schema {
	return object("",
		leaf("apiVersion", versionType),
		leaf("kind", stringType),
		object("metadata",
			leaf("name", stringType),
			leaf("namespace", stringType),
			leaf("labels", stringMapType),
			leaf("annotations", stringMapType),
			// The rest of Kubernetes' ObjectMeta, which generators leave in.
			leaf("generateName", ignoredType),
			leaf("selfLink", ignoredType),
			leaf("uid", ignoredType),
			leaf("resourceVersion", ignoredType),
			leaf("generation", ignoredType),
			leaf("creationTimestamp", ignoredType),
			leaf("deletionTimestamp", ignoredType),
			leaf("deletionGracePeriodSeconds", ignoredType),
			leaf("ownerReferences", ignoredType),
			leaf("finalizers", ignoredType),
			leaf("managedFields", ignoredType),
		),
		object("spec",
			object("cluster",
				leaf("name", stringType),
				leaf("apiServerEndpoint", stringType),
				leaf("certificateAuthority", base64Type),
				leaf("cidr", stringType),
				leaf("enableOutpost", boolType),
				leaf("id", stringType),
			),
			object("containerd",
				leaf("config", tomlType),
				leaf("baseRuntimeSpec", freeType),
			),
			object("instance",
				object("localStorage",
					leaf("strategy", stringType),
					leaf("mountPath", stringType),
					leaf("disabledMounts", listType),
				),
				leaf("environment", environmentType),
				object("network",
					leaf("nameservers", listType),
					leaf("domains", listType),
				),
			),
			object("kubelet",
				leaf("config", freeType),
				leaf("flags", flagsType),
				leaf("maxPodsExpression", stringType),
			),
			leaf("featureGates", gatesType),
		),
	)
}
