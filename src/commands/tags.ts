import { parseRepository } from "../image/reference.ts";
import { listTags } from "../source/registry-verbs.ts";
import type { World } from "../world.ts";

/** Every tag of a repository; the document is that of `skopeo list-tags`. */
export async function tags(world: World, repository: string, tlsVerify: boolean): Promise<void> {
  const named = parseRepository(repository);
  const found = await listTags(named, world.sourceOptions(tlsVerify));
  world.output.answer({ Repository: `${named.host}/${named.repository}`, Tags: found }, found);
}
