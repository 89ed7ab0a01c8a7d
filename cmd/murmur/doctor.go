package main

// DoctorCmd x.
type DoctorCmd struct{}

// Run x.
func (c *DoctorCmd) Run() error { return nil }

// SupportCmd x.
type SupportCmd struct{}

// Run x.
func (c *SupportCmd) Run() error { return nil }

// CompletionCmd x.
type CompletionCmd struct{}

// Run x.
func (c *CompletionCmd) Run() error { return nil }

// CompleteCmd x.
type CompleteCmd struct{}

// Run x.
func (c *CompleteCmd) Run() error { return nil }
