import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";

const context = 3;
/**
 * Lines added and removed beyond which a difference says little to a person; the time to find it grows with their square.
 * Where one side has no lines it does not.
 */
const editLimit = 1000;
const wholeLimit = 10_000;

/**
 * A unified diff of what stands at a path before and after, empty for the same; undefined when they have too little in common.
 */
export function diffTexts(path: string, from: string | undefined, to: string | undefined): string | undefined {
  if (from === to) return "";
  return createTwoFilesPatch(
    from === undefined ? "/dev/null" : path,
    to === undefined ? "/dev/null" : path,
    from ?? "",
    to ?? "",
    undefined,
    undefined,
    {
      context,
      maxEditLength: from === undefined || to === undefined ? wholeLimit : editLimit,
      headerOptions: FILE_HEADERS_ONLY,
    },
  );
}
