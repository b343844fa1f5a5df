import { describe, expect, it } from 'vitest';
import { path } from './inventory';
import { readBranch, readClaims, readDifferences, readDiscrepancies, readKind, readObstacles, readPage, readRelations, readTimeline, readVerdict } from './inventory_read';

describe('a path', () => {
  it('carries the branch and the time, and nothing that is empty', () => {
    expect(path('inventory/site', { branch: 'a b', as_of: '12' }, { limit: 5, cursor: undefined, 'delay_us[gte]': 3, q: '' })).toBe(
      'inventory/site?limit=5&delay_us%5Bgte%5D=3&branch=a%20b&as_of=12',
    );
    expect(path('search', { branch: undefined, as_of: undefined })).toBe('search');
  });
});

describe('what the server says', () => {
  it('of a kind', () => {
    const kind = readKind({
      kind: 'pool', group: 'compute', noun: true, description: 'Accelerators.',
      attributes: [
        { name: 'site', type: 'reference', list: false, required: true, description: '' },
        { name: 'count', type: 'integer', list: false, required: true, above: 0, maximum: 10, unit: '', description: '' },
      ],
      relations: [{ attribute: 'site', name: 'stands_at', inverse: 'has_pool', targets: ['site'], many: false, required: true, impact: 'on_holder', description: '' }],
      incoming: [{ kind: 'server', attribute: 'pool', name: 'has_server', many: true }],
      constraints: [{ rule: 'unique', text: 'no two have the same name' }],
      mappings: { sid: 'Resource', tmf: { api: 'TMF639', type: 'PhysicalResource' }, yang: ['/a', '/b'] },
    });
    expect(kind.attributes.map((a) => [a.name, a.refers_to, a.above, a.minimum])).toEqual([['site', ['site'], undefined, undefined], ['count', [], 0, undefined]]);
    expect(kind.constraints).toEqual(['no two have the same name']);
    expect(kind.mappings.map((m) => m.name)).toEqual(['Resource', 'TMF639 PhysicalResource', '/a', '/b']);
    expect(kind.incoming).toEqual([{ kind: 'server', attribute: 'pool', name: 'has_server' }]);
  });

  it('of entities, their claims and relations', () => {
    const page = readPage({ offset: 7, kind: 'site', items: [{ id: 'ber', attributes: { name: 'Berlin' }, created: 3, changed: 5 }], next: null, total: 65 }, 'site');
    expect(page).toEqual({ offset: 7, items: [{ kind: 'site', id: 'ber', attributes: { name: 'Berlin' }, changed: 5 }], next: null, total: 65 });
    const { claims } = readClaims({ claims: [{ attribute: 'name', source: 's', standing: 'intended', confidence: 0, valid_from: '2026-01-01T00:00:00Z', offset: 3, value: null, believed: true }] });
    expect(claims[0]).toMatchObject({ confidence: 1, recorded_at: '2026-01-01T00:00:00Z', valid_to: null, holds: true, believed: true, value: null });
    expect(readRelations({ refers_to: [{ attribute: 'site', kind: 'site', id: 'ber' }], referred_by: [{ attribute: 'site', kind: 'pool', id: 'p' }], truncated: true })).toEqual({
      outgoing: [{ attribute: 'site', kind: 'site', id: 'ber' }], incoming: [{ attribute: 'site', kind: 'pool', id: 'p' }], truncated: true,
    });
  });

  it('of the past, with what the same source had said before', () => {
    const events = readTimeline([
      { offset: 9, at: 't9', what: 'said', source: 'b', standing: 'observed', attributes: { name: 'Y' } },
      { offset: 7, at: 't7', what: 'said', source: 'a', standing: 'observed', attributes: { name: 'X2' } },
      { offset: 5, at: 't5', what: 'created', source: 'a', standing: 'observed', attributes: { name: 'X' } },
    ]);
    expect(events.map((e) => [e.offset, e.attribute, e.before, e.after])).toEqual([[5, null, undefined, null], [5, 'name', undefined, 'X'], [7, 'name', 'X', 'X2'], [9, 'name', undefined, 'Y']]);
  });

  it('of branches', () => {
    expect(readBranch({ name: 'b', parent: null, author: 'operator:api', created_at: 't', base_offset: 4, edits: 2, children: ['c'] })).toMatchObject({ parent: '', edits: 2, children: ['c'], purpose: '' });
    expect(readDifferences({ differences: [{ what: 'added', kind: 'site', id: 'x', attributes: [{ name: 'name', after: 'X' }] }], next: 'site/y' })).toMatchObject({
      differences: [{ what: 'added', attributes: [{ name: 'name', before: null, after: 'X' }] }], next: 'site/y',
    });
    const standing = readObstacles({ clean: false, conflicts: [{ what: 'both_changed', kind: 'site', id: 'x', attribute: null, ours: 1, message: 'm', fix: 'f' }], violations: [{ kind: 'device', id: 'd', constraint: 'no_overlap', others: [{ kind: 'device', id: 'e' }] }] });
    expect(standing.conflicts[0]).toMatchObject({ attribute: null, ours: 1, theirs: null });
    expect(standing.violations[0]!.others).toEqual([{ kind: 'device', id: 'e' }]);
  });

  it('of a branch, by the twin', () => {
    const verdict = readVerdict({
      plan_id: 'plan-7', promises_kept: 11, promises_kept_before: 12, broken: 1, mended: 0, unplanned: 2, worst_link: { id: 'ber-ham', utilization: 1.2 },
      worst_link_before: null, cost_eur_per_hour_delta: -3.5, promises_mended: [],
      promises_broken: [{ demand: 'd', tenant: 't', region: 'r', model: 'm', reason: 'ber is overloaded', fraction: 0.5 }],
    });
    expect(verdict).toMatchObject({ planned: true, kept: 11, kept_before: 12, broken: 1, unplanned: 2, worst: { id: 'ber-ham', utilization: 1.2 }, worst_before: null, cost_delta_eur_per_hour: -3.5 });
    expect(verdict.promises_broken).toEqual([{ demand: 'd', tenant: 't', region: 'r', model: 'm', reason: 'ber is overloaded' }]);
    expect(readVerdict({ plan_id: null })).toMatchObject({ planned: false, kept: 0, promises_broken: [], worst: null });
  });

  it('of discrepancies, and of nothing at all', () => {
    const [found] = readDiscrepancies({ discrepancies: [{ id: 'moved:card:c', type: 'moved', about: { kind: 'card', id: 'c' }, offset: 9, verification: { who: 'technician', latitude_deg: 1, longitude_deg: null } }] });
    expect(found).toMatchObject({ key: 'moved:card:c', kind: 'card', id: 'c', offset: 9, verification: { who: 'technician', latitude_deg: 1, longitude_deg: null, action: '' } });
    expect([readDiscrepancies({}), readClaims({}).claims, readObstacles({}).conflicts, readKind({}).attributes]).toEqual([[], [], [], []]);
  });
});
