import { type Bus, managerPath } from "./systemd-bus.ts";

/** Properties of a unit by systemd's names; one that its version does not know is empty, 0 or false. */
export interface UnitProperties {
  text(name: string): string;
  number(name: string): number;
  is(name: string): boolean;
  list<T>(name: string): readonly T[];
}

/** All properties of a unit, and those of its kind. */
export async function readUnitProperties(bus: Bus, unit: string): Promise<UnitProperties> {
  const [path] = (await bus.call(managerPath, "LoadUnit", "s", [unit])) as [string];
  const kind = unit.slice(unit.lastIndexOf(".") + 1);
  const face = `${kind.slice(0, 1).toUpperCase()}${kind.slice(1)}`;
  const [own, general] = await Promise.all([readAll(bus, path, face), readAll(bus, path, "Unit")]);
  return propertiesOf(new Map([...own, ...general]));
}

async function readAll(bus: Bus, path: string, face: string): Promise<ReadonlyMap<string, unknown>> {
  const [all] = (await bus.call(path, "org.freedesktop.DBus.Properties.GetAll", "s", [
    `org.freedesktop.systemd1.${face}`,
  ])) as [Readonly<Record<string, { readonly value: unknown }>>];
  return new Map(Object.entries(all).map(([name, { value }]) => [name, value]));
}

function propertiesOf(values: ReadonlyMap<string, unknown>): UnitProperties {
  return {
    text: (name) => String(values.get(name) ?? ""),
    number: (name) => Number(values.get(name) ?? 0),
    is: (name) => values.get(name) === true,
    list: <T>(name: string): readonly T[] => {
      const value = values.get(name);
      return Array.isArray(value) ? (value as readonly T[]) : [];
    },
  };
}
/** The properties of systemd itself. */
export async function readManagerProperties(bus: Bus): Promise<UnitProperties> {
  return propertiesOf(await readAll(bus, managerPath, "Manager"));
}
