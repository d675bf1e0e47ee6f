import { checkout } from "../../src/store/checkout.ts";
import { readImages } from "../../src/store/images.ts";
import { openRepository } from "../../src/store/repository.ts";
import { readTree, storePaths } from "../../src/store/store.ts";

/** Checks the only image of the store at the first argument out to the second: a process that does nothing else. */
function main([state = "", target = ""]: readonly string[]): void {
  const paths = storePaths(state);
  const [image] = readImages(paths.images);
  const tree = image && readTree(paths, image);
  if (tree === undefined) throw new Error(`${state} holds no image`);
  checkout(openRepository(paths.repository), tree, target);
}

main(process.argv.slice(2));
