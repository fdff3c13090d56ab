package api

// Limits on input. EC2 user data is at most 16 KiB, and gzip is the only way for
// it to become more; these limits are far above anything useful, and low enough
// that the worst input costs about a second.
const (
	// maxInputBytes bounds the raw input and the output of each decoding step.
	maxInputBytes = 16 << 20
	// maxDocumentBytes bounds the text of one NodeConfig part or file.
	maxDocumentBytes = 1 << 20
	// maxWraps bounds how many layers of base64 and gzip are undone.
	maxWraps = 4
	// maxParts bounds the MIME parts of one input, nested ones included.
	maxParts = 256
	// maxPartDepth bounds multiparts inside multiparts.
	maxPartDepth = 4
	// maxHeaderLines bounds the header of one part.
	maxHeaderLines = 100
	// maxHeaderBytes bounds one header field, continuation lines included.
	maxHeaderBytes = 8 << 10
	// maxDocuments bounds the YAML documents of one text.
	maxDocuments = 64
	// maxValues bounds the values of one text after aliases are expanded.
	maxValues = 100_000
	// maxDepth bounds the nesting of values. KubeletConfiguration and OCI
	// specifications need less than ten levels.
	maxDepth = 64
	// maxDirectives bounds lines that start with "%": the YAML parser compares each
	// with all others.
	maxDirectives = 16
	// maxProblems bounds what is reported about one input.
	maxProblems = 100
	// maxTOMLBytes bounds the text of one containerd.config.
	maxTOMLBytes = 256 << 10
	// maxTOMLKeys bounds the keys of one containerd.config: the TOML parser compares
	// each key with its siblings.
	maxTOMLKeys = 4096
	// maxExpressionBytes bounds kubelet.maxPodsExpression.
	maxExpressionBytes = 4096
	// maxExcerpt bounds the source line that a problem shows, in characters.
	maxExcerpt = 100
)
