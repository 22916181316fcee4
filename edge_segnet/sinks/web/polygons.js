// Polygons as numbers: whether an outline crosses itself, and regions as YAML.

const side = ([ax, ay], [bx, by], [px, py]) => Math.sign((bx - ax) * (py - ay) - (by - ay) * (px - ax));

/** Whether two edges that share no corner meet. */
export function crossing(corners) {
  const edges = corners.map((corner, at) => [corner, corners[(at + 1) % corners.length]]);
  return edges.some(([a, b], first) =>
    edges.some(([c, d], second) => {
      const apart = Math.abs(first - second);
      if (apart < 2 || apart === edges.length - 1) return false;
      return side(a, b, c) * side(a, b, d) <= 0 && side(c, d, a) * side(c, d, b) <= 0;
    }),
  );
}

const DEFAULTS = { smooth_s: 1, cameras: null, free: null };
const EXAMPLE = "class: Road, below: 0.4, frames: 5, clear_above: 0.5, clear_frames: 10";

/** The section `regions`, with everything that a region had before; and, commented out, a rule for those without. */
export function yaml(regions, rules) {
  const names = Object.keys(regions);
  if (names.length === 0) return "regions: {}\n";
  const lines = ["regions:"];
  for (const [name, region] of Object.entries(regions)) {
    lines.push(`  ${quoted(name)}:`, `    polygon: ${flow(region.polygon)}`);
    for (const [key, value] of Object.entries(region)) {
      if (key !== "polygon" && value !== undefined && value !== DEFAULTS[key]) lines.push(`    ${key}: ${flow(value)}`);
    }
  }
  const bare = names.filter((name) => !rules.some((rule) => rule.region === name));
  if (bare.length) lines.push("# rules:");
  for (const name of bare) lines.push(`#   - {name: ${name}-alarm, region: ${quoted(name)}, ${EXAMPLE}}`);
  const lost = rules.filter((rule) => rule.region !== null && rule.region !== undefined && !names.includes(rule.region));
  for (const rule of lost) lines.push(`# the rule ${rule.name} names the region ${rule.region}, which is no more`);
  return `${lines.join("\n")}\n`;
}

/** JSON is YAML; a name that YAML would read as a number or as true needs its quotes. */
const quoted = (name) => (/^[A-Za-z][\w-]*$/.test(name) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(name) ? name : JSON.stringify(name));

function flow(value) {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, inner]) => `${quoted(key)}: ${flow(inner)}`).join(", ")}}`;
}
