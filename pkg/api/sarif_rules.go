package api

// codeHelp says what a code means and what usually helps.
type codeHelp struct {
	code        Code
	short, help string
}

func (h codeHelp) rule() sarifRule {
	r := sarifRule{ID: string(h.code)}
	if h.short != "" {
		r.ShortDescription, r.Help = &sarifText{sarifEscape.Replace(h.short)}, &sarifText{sarifEscape.Replace(h.help)}
	}
	return r
}

// sarifRules are all codes, in the order in which they are declared.
func sarifRules() []codeHelp {
	return []codeHelp{
		{CodeTooLarge, "The input is too large", "Give only the node's configuration. EC2 user data holds at most 16 KiB; files belong into an image or onto a volume."},
		{CodeBadEncoding, "The input's encoding cannot be undone, or is not UTF-8 text", "Give plain UTF-8 text, or that in gzip or base64, whole and applied once."},
		{CodeBadMIME, "The MIME message cannot be read", "Separate parts by the boundary that the header names, and each part's header from its body by a blank line."},
		{CodeRepairedMIME, "The MIME message has a slip that was put right", "Correct it all the same: other readers of user data may not repair it."},
		{CodeIgnoredPart, "A part of the MIME message is left to other programs", "Nothing need be done if the part is a script or cloud-config."},
		{CodeMissedPart, "A part that looks like a NodeConfig has another type", "Give the part the header Content-Type: " + MediaType + "."},
		{CodeNoNodeConfig, "There is no NodeConfig", "Give a document that begins with apiVersion: " + APIVersion + " and kind: " + Kind + "."},
		{CodeBadSyntax, "The text is neither YAML nor JSON", "Correct the line that is named; indentation is made of spaces, never tabs."},
		{CodeUnknownVersion, "apiVersion or kind is missing or unknown", "Write kind: " + Kind + " and apiVersion: " + APIVersion + " or " + APIVersionSuperset + "."},
		{CodeSeveralDocuments, "One text holds several documents", "nodeadm reads only the first: give each document a MIME part or a file of its own."},
		{CodeUnknownField, "There is no field of that name", "Compare with the reference, or with `eksnode config schema`; the nearest known name is in the message."},
		{CodeDuplicateKey, "A key is given twice in one mapping", "Remove one of the two."},
		{CodeWrongType, "A value has the wrong type", "Write the type that the message names; quotes make a string."},
		{CodeAmbiguousValue, "YAML readers disagree about a value", "Write true or false, or put the word in quotes."},
		{CodeMissingField, "A required field has no value", "Add the field; `aws eks describe-cluster` prints what is asked about the cluster."},
		{CodeInvalidValue, "A value cannot be used", "Correct it as the message says."},
		{CodeSuspiciousValue, "A value is probably not what was meant", "Correct it, or leave it if it is meant so."},
		{CodeConflictingCluster, "The documents speak of different clusters", "A node joins one cluster: remove one of the values, or make them equal."},
		{CodeOverriddenSetting, "One setting takes another one's place", "Give the setting in one place. `eksnode config explain` shows which one counts and what it replaced."},
		{CodeJoinedSetting, "Settings from several places add up", "Nothing need be done if that is meant."},
		{CodeTooManyProblems, "There are more problems than are shown", "Correct the ones that are shown and check again."},
	}
}
