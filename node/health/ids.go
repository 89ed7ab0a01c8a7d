package health

// IDs are those of all conditions that there may be.
func IDs() (ids []string) {
	for _, r := range rules {
		ids = append(ids, r.id)
	}
	return ids
}
