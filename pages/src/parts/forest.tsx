import { scoreText, signed } from './format.ts';

/** Estimates with their intervals on one axis, and the line of no effect: what a study says at one glance. */
export interface Effect {
  readonly name: string;
  readonly sub: string;
  readonly estimate: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly verdict: string;
}

/** Width of the drawing's own units; the text around it is HTML, which stays legible at any width. */
const span = 1000;

/** @param zero the line of no effect; null for plain values. */
export function Forest({
  effects,
  label,
  zero = 0,
}: {
  effects: readonly Effect[];
  label: string;
  zero?: number | null;
}) {
  const values = effects.flatMap(({ estimate, low, high }) => [estimate, low, high]).filter((value) => value !== null);
  if (zero !== null) values.push(zero);
  if (values.length < 2) return null;
  const least = Math.min(...values);
  const most = Math.max(...values);
  const margin = (most - least || Math.abs(most) || 1) * 0.04;
  const x = (value: number) => ((value - least + margin) / (most - least + 2 * margin)) * span;
  const text = zero === null ? scoreText : (value: number | null) => signed(value);
  const ticks = [least, ...(zero !== null && x(zero) > 0.2 * span && x(zero) < 0.8 * span ? [zero] : []), most];
  return (
    <div class="forest">
      <table>
        <caption class="hidden">{label}</caption>
        <tbody>
          {effects.map(({ name, sub, estimate, low, high, verdict }) => (
            <tr key={`${name}${sub}`}>
              <th scope="row">
                {name}
                <small>{sub}</small>
              </th>
              <td class="drawn">
                <svg viewBox={`0 0 ${span} 30`} preserveAspectRatio="none" aria-hidden="true">
                  {zero !== null && <line class="zero" x1={x(zero)} x2={x(zero)} y1={0} y2={30} />}
                  {low !== null && high !== null && <line class="bar" x1={x(low)} x2={x(high)} y1={15} y2={15} />}
                  {[low, high].map(
                    (end) => end !== null && <line key={end} class="bar" x1={x(end)} x2={x(end)} y1={11} y2={19} />,
                  )}
                  {estimate !== null && <line class="estimate" x1={x(estimate)} x2={x(estimate)} y1={10} y2={20} />}
                </svg>
              </td>
              <td class="number">
                {text(estimate)}
                <small>
                  [{text(low)}, {text(high)}]
                </small>
              </td>
              <td class="verdict">{verdict}</td>
            </tr>
          ))}
        </tbody>
        <tfoot aria-hidden="true">
          <tr>
            <td />
            <td class="drawn">
              <svg class="ticks" aria-hidden="true">
                {ticks.map((tick) => (
                  <text key={tick} x={`${(x(tick) / 10).toFixed(2)}%`} y={12} text-anchor="middle">
                    {tick === zero ? '0' : text(tick)}
                  </text>
                ))}
              </svg>
              <small>{label}</small>
            </td>
            <td />
            <td />
          </tr>
        </tfoot>
      </table>
    </div>
  );
}
