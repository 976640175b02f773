/**
 * The versions of a conversation: where the thread that is shown parts from others, and which there are. Pure.
 *
 * A branch has in common with its parent what stands at or before its position `after`, as [order, step].
 */

const compare = ([order, step], [otherOrder, otherStep]) => order - otherOrder || step - otherStep;

/** The choices along a thread, in order: `{after, ids, at}`: what comes after a position, in which threads, and which of them is shown. */
export function choices(thread) {
  const family = new Family(thread);
  const line = family.line(thread.id);
  const found = [];
  for (const [index, node] of line.entries()) {
    const next = line[index + 1];
    for (const [key, branches] of family.partings(node)) {
      const { after } = branches[0];
      if (next && compare(after, next.after) > 0) continue;
      const shown = next && compare(after, next.after) === 0 ? next : node;
      const all = [node, ...branches];
      found.push({ key, after, ids: all.map(({ id }) => id), at: all.indexOf(shown) });
    }
  }
  return found.sort((a, b) => compare(a.after, b.after));
}

/** The id of the version of a listed thread in which something was said last. */
export function newest({ id, last_activity: lastActivity, branches }) {
  const last = branches.reduce((best, branch) => (best && best.last_activity > branch.last_activity ? best : branch), null);
  return last && last.last_activity >= lastActivity ? last.id : id;
}

/** The thread that stands in lists for this one. */
export const listedAs = (thread) => (thread.kind === "branch" && thread.root ? thread.root : thread.id);

class Family {
  constructor(thread) {
    this.root = { id: listedAs(thread), after: null };
    this.nodes = new Map(thread.branches.map((branch) => [branch.id, branch]));
  }

  /** From what a branch really parts: the first one up that has more in common with it than with its own parent. */
  home(branch) {
    let parent = this.nodes.get(branch.parent);
    while (parent && compare(parent.after, branch.after) >= 0) parent = this.nodes.get(parent.parent);
    return parent ?? this.root;
  }

  /** From the root to this thread. */
  line(id) {
    const line = [];
    let node = this.nodes.get(id);
    while (node) {
      line.unshift(node);
      node = node === this.root ? null : this.nodes.get(this.home(node).id);
    }
    return [this.root, ...line];
  }

  /** The branches that part from a node, by where they do. */
  partings(node) {
    const places = new Map();
    for (const branch of this.nodes.values()) {
      const place = branch.after.join(".");
      if (this.home(branch) === node) places.set(place, [...(places.get(place) ?? []), branch]);
    }
    return places;
  }
}
