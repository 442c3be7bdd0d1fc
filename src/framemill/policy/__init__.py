"""Who goes next, where, and again; what is thrown away; why nothing moves. Decisions only: everything here is pure."""
