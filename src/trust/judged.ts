/** What came of one signature: who it is by, or why it does not count. */
export type Judged = { readonly by: string } | { readonly why: string };
