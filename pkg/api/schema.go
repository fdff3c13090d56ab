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
	intType                          // a whole number; later wins, 0 too
	valueType                        // a string; later wins, "" too
	scalarType                       // a string, number or boolean, kept as text; later non-empty wins
	secretType                       // a string that is never shown; later non-empty wins
	scalarMapType                    // name to scalar; merged by name
	secretMapType                    // name to secret; merged by name
	structListType                   // of mappings with known fields; later non-empty replaces
	keyedType                        // of mappings with known fields; merged by their keys
	structMapType                    // name to mapping with known fields; merged by name
)

// schema describes one field.
type schema struct {
	name   string
	typ    fieldType
	fields []schema // of a structType, or of the mappings in a list or mapping of them
	keys   []string // of a keyedType: the fields that tell its items apart; those of intType may be missing

	superset bool // a field that only APIVersionSuperset has
}

// element is the schema of the mappings in a list or mapping of them.
func (s schema) element() schema { return schema{typ: structType, fields: s.fields} }

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

// listOf is a list of mappings that a later document's list replaces.
func listOf(name string, fields ...schema) schema {
	return schema{name: name, typ: structListType, fields: fields}
}

// keyedList is a list of mappings that merge by the given fields.
func keyedList(name string, keys []string, fields ...schema) schema {
	return schema{name: name, typ: keyedType, fields: fields, keys: keys}
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
		object("spec", append([]schema{
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
		}, supersetSchema()...)...),
	)
}
