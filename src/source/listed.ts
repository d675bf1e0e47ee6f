const shown = 50;

/** Names for a message that says what there is. */
export function listed(names: readonly string[]): string {
  const more = names.length > shown ? ` and ${names.length - shown} more` : "";
  return `${[...names].sort().slice(0, shown).join(", ") || "none with a name"}${more}`;
}
