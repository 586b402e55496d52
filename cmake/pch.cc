// The one source that carries the precompiled header shared by all libraries.
