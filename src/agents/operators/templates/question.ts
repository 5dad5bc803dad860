/** What differs from one question to the next: the user's message. */
export const draft = `
# Attempts so far

{{attempts}}

# Earlier drafts

{{siblings}}

# Literature

{{literature}}

Propose the next draft.
`;

export const improve = `
# Attempts so far

{{attempts}}

# Parent

{{parents}}

Layer by layer, counted from 0: {{layers}}

# Earlier changes to this parent

{{siblings}}

# How the parent came about

{{lineage}}

# Literature

{{literature}}

Propose an improvement of the parent.
`;

export const crossover = `
# Attempts so far

{{attempts}}

# Parents

{{parents}}

Layer by layer, counted from 0: {{layers}}

# Literature

{{literature}}

Propose a crossover of the parents.
`;

export const debug = `
# Candidate without a score

{{parents}}

Layer by layer, counted from 0: {{layers}}

What the trainer said:

{{output}}

# How the candidate came about

{{lineage}}

# Literature

{{literature}}

Propose a candidate that trains.
`;

export const analyze = `
# Attempts so far

{{attempts}}

# Results to learn from

{{results}}

State the lesson of each.
`;

/** After an answer that could not be used. */
export const repair = `
That answer cannot be used: {{problem}}

Answer the same question again, in the form that was asked for.
`;

/** After an answer that was cut off; the broken answer itself is not repeated. */
export const shorter = `
Your last answer was cut off before its end. Answer again, thinking and writing less.
`;
