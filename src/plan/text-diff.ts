import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";

const context = 3;
/** Lines added and removed beyond which a difference is no longer worth its time. */
const editLimit = 5000;

/** A unified diff of what stands at a path before and after; undefined when the two have too little in common. */
export function diffTexts(path: string, from: string | undefined, to: string | undefined): string | undefined {
  return createTwoFilesPatch(
    from === undefined ? "/dev/null" : path,
    to === undefined ? "/dev/null" : path,
    from ?? "",
    to ?? "",
    undefined,
    undefined,
    { context, maxEditLength: editLimit, headerOptions: FILE_HEADERS_ONLY },
  );
}
