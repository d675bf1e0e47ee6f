import { statuses } from "../errors.ts";
import { readContainers, readCurrent } from "../host/deployments.ts";
import { verifyDeployment } from "../host/verify.ts";
import { shownPath } from "../layer/path.ts";
import type { Deployment } from "../plan/deployment.ts";
import { readImages } from "../store/images.ts";
import { readTree } from "../store/store.ts";
import { type Finding, openObjectNames, verifyObjects } from "../store/verify.ts";
import { transactionHost, type World } from "../world.ts";

/**
 * Reads again every byte of a container, or of all and the whole store, and names what is not as it was written. The exit
 * status tells whether anything is.
 */
export async function verify(world: World, name: string | undefined): Promise<number> {
  const nameObject = openObjectNames();
  const deployments = name === undefined ? installed(world) : [readCurrent(world.paths.deployments, name)];
  const rows: { readonly container: string | null; readonly path: string; readonly problem: string }[] = [];
  const add = (container: string | null, findings: readonly Finding[]): void => {
    rows.push(...findings.map(({ path, problem }) => ({ container, path: shownPath(path), problem })));
  };
  for (const deployment of deployments) {
    const image = readImages(world.paths.images).find(({ digest }) => digest === deployment.image.digest);
    const tree = deployment.rootfs !== undefined || image === undefined ? undefined : readTree(world.paths, image);
    add(deployment.name, verifyDeployment(deployment, tree, transactionHost(world), nameObject));
  }
  if (name === undefined) {
    add(null, verifyObjects(world.paths, nameObject));
    for (const container of readContainers(world.paths.deployments)) {
      if (container.kind === "broken")
        rows.push({ container: container.name, path: container.reason, problem: "broken" });
    }
  }
  const lines = rows.map(({ container, path, problem }) => `${container ?? "store"}: ${path} is ${problem}`);
  const count = deployments.length;
  world.output.answer(
    { clean: rows.length === 0, findings: rows },
    rows.length > 0 ? lines : [`${count} containers as they were installed`],
  );
  return rows.length === 0 ? statuses.done : statuses.drift;
}

function installed(world: World): readonly Deployment[] {
  return readContainers(world.paths.deployments).flatMap((container) =>
    container.kind === "installed" ? [container.deployment] : [],
  );
}
