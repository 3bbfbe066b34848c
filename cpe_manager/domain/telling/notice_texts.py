"""The words of the mails, in English, Dutch and French. Plain text; nothing in them is ever a secret.

A text is one sentence for each kind, and below it the facts that there are, each on a line. Facts come of people and of
devices: they are made one line each, and none of them gets into a header but ticket and site.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cpe_manager.domain.telling.mail import one_line

LANGUAGES: Final = ("en", "nl", "fr")
_MOST_LINES: Final = 30
_SUMMARY: Final = {"incident": "incident", "line": "volume"}
"""The label of the summary, by the first word of a kind; else it is a change's."""


@dataclass(frozen=True, slots=True)
class Facts:
    """``ticket``: of a change; an activation has none. ``by_right``: a setting that is the customer's own, for which
    nobody is asked (§5.2.1.1). ``when``: as text, in the customer's time zone. ``differences``: what would be changed,
    without secrets. ``priority``: of an incident, 1 to 4 (§5.1.1)."""

    site: str
    ticket: str = ""
    summary: str = ""
    reason: str = ""
    when: str = ""
    by_right: bool = False
    priority: int = 0
    differences: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Words:
    greeting: str
    close: str
    labels: Mapping[str, str]
    kinds: Mapping[str, tuple[str, str]]
    """Subject and sentence by kind."""


def language_of(text: str) -> str:
    """``nl-BE`` is Dutch; what we do not speak is told in English."""
    found = text.strip().lower().replace("_", "-").partition("-")[0]
    return found if found in LANGUAGES else "en"


def written(kind: str, language: str, facts: Facts) -> tuple[str, str]:
    """Subject and body. Raises ``KeyError`` for a kind of which nobody is told."""
    words = _WORDS[language_of(language)]
    name = "change.accepted_by_right" if kind == "change.accepted" and facts.by_right else kind
    subject, sentence = words.kinds[name]
    place = one_line(facts.site, 80)
    ticket = one_line(facts.ticket, 40)
    head = f"[{ticket}] " if ticket else ""
    named = {"site": place, "priority": facts.priority}
    lines = [words.greeting, "", sentence.format(**named), ""]
    for label, value in (
        ("ticket", ticket),
        ("site", place),
        (_SUMMARY.get(kind.partition(".")[0], "summary"), one_line(facts.summary)),
        ("reason", one_line(facts.reason)),
        ("when", one_line(facts.when, 80)),
    ):
        if value:
            lines.append(f"{words.labels[label]}: {value}")
    if facts.differences:
        lines += ["", f"{words.labels['differences']}:"]
        lines += [f"  - {one_line(one, 200)}" for one in facts.differences[:_MOST_LINES]]
        if len(facts.differences) > _MOST_LINES:
            lines.append("  - ...")
    lines += ["", words.close, ""]
    return one_line(f"{head}{subject.format(**named)}", 200), "\n".join(lines)


_EN: Final = _Words(
    "Dear customer,",
    "This message was written by our systems; please refer to the ticket number in any question about it.",
    {
        "ticket": "Ticket",
        "site": "Site",
        "summary": "Change",
        "incident": "Incident",
        "volume": "Volume",
        "reason": "Reason",
        "when": "Date",
        "differences": "What would be changed",
    },
    {
        "change.submitted": (
            "We have your change request",
            "A change was requested for your site {site}. We look at it at once.",
        ),
        "change.accepted": (
            "Your approval is needed",
            "The change requested for your site {site} can be made. It is made as soon as you have approved it.",
        ),
        "change.accepted_by_right": (
            "Your change is being made",
            "The setting that you chose for your site {site} is being put in place.",
        ),
        "change.asked_again": (
            "Your approval is needed once more",
            "Your equipment at {site} was changed since you approved it. Please look at it and approve it again.",
        ),
        "change.refused": (
            "Your change request was refused",
            "We cannot make the change requested for your site {site}.",
        ),
        "change.approved": ("The change is approved", "The change for your site {site} was approved."),
        "change.declined": (
            "The change was declined",
            "The change for your site {site} was declined; nothing was changed.",
        ),
        "change.withdrawn": (
            "The change request was withdrawn",
            "The change request for your site {site} was withdrawn; nothing was changed.",
        ),
        "change.expired": (
            "The change request has expired",
            "The change for your site {site} was not approved in time; nothing was changed.",
        ),
        "change.scheduled": ("The change is planned", "The change for your site {site} is planned."),
        "change.executing": ("The change is being made", "The change for your site {site} is being made now."),
        "change.done": ("The change is made", "The change for your site {site} was made and tested."),
        "change.reverted": (
            "The change was taken back",
            "The change for your site {site} did not work as it should and was taken back; all runs as before.",
        ),
        "change.stuck": (
            "The change needs a closer look",
            "The change for your site {site} could not be completed by itself. One of our engineers looks at it.",
        ),
        "change.closed": ("The ticket is closed", "The ticket for the change at your site {site} is closed."),
        "activation.ordered": (
            "Your site is being activated",
            "We have the order for your site {site} and prepare it.",
        ),
        "activation.rush_answered": (
            "About the date that you asked for",
            "We have looked at the date that you asked for, for your site {site}.",
        ),
        "activation.activated": (
            "Your site is in service",
            "Your site {site} was configured and tested, and is in service.",
        ),
        "activation.cancelled": ("The activation was called off", "The activation of your site {site} was called off."),
        "activation.failed": (
            "An activation does not go on",
            "The activation of site {site} does not go on by itself.",
        ),
        "activation.reported": (
            "An activation's report is there",
            "The report of the activation of site {site} was made.",
        ),
        "incident.opened": ("P{priority} incident at {site}", "An incident of priority P{priority} began at {site}."),
        "incident.changed": (
            "The incident at {site} is P{priority} now",
            "The incident at {site} has priority P{priority} now.",
        ),
        "incident.closed": ("The P{priority} incident at {site} is closed", "The incident at {site} is over."),
        "line.cap_near": (
            "{site} nears its mobile data cap",
            "The mobile backup of {site} has used most of its volume for this month.",
        ),
        "line.cap_reached": (
            "{site} has reached its mobile data cap",
            "The mobile backup of {site} has used its volume for this month.",
        ),
    },
)

_NL: Final = _Words(
    "Geachte klant,",
    "Dit bericht is door onze systemen opgesteld; vermeld bij vragen het ticketnummer.",
    {
        "ticket": "Ticket",
        "site": "Vestiging",
        "summary": "Wijziging",
        "incident": "Incident",
        "volume": "Volume",
        "reason": "Reden",
        "when": "Datum",
        "differences": "Wat er zou wijzigen",
    },
    {
        "change.submitted": (
            "Uw wijzigingsaanvraag is ontvangen",
            "Voor uw vestiging {site} is een wijziging aangevraagd. Wij bekijken ze onmiddellijk.",
        ),
        "change.accepted": (
            "Uw goedkeuring is nodig",
            "De wijziging voor uw vestiging {site} is mogelijk en wordt uitgevoerd zodra u ze hebt goedgekeurd.",
        ),
        "change.accepted_by_right": (
            "Uw wijziging wordt uitgevoerd",
            "De instelling die u voor uw vestiging {site} koos, wordt nu doorgevoerd.",
        ),
        "change.asked_again": (
            "Uw goedkeuring is opnieuw nodig",
            "Uw apparatuur in {site} is gewijzigd sinds uw goedkeuring. Gelieve de wijziging opnieuw goed te keuren.",
        ),
        "change.refused": (
            "Uw wijzigingsaanvraag is geweigerd",
            "Wij kunnen de wijziging die voor uw vestiging {site} is aangevraagd niet uitvoeren.",
        ),
        "change.approved": ("De wijziging is goedgekeurd", "De wijziging voor uw vestiging {site} is goedgekeurd."),
        "change.declined": (
            "De wijziging is afgewezen",
            "De wijziging voor uw vestiging {site} is afgewezen; er is niets gewijzigd.",
        ),
        "change.withdrawn": (
            "De wijzigingsaanvraag is ingetrokken",
            "De wijzigingsaanvraag voor uw vestiging {site} is ingetrokken; er is niets gewijzigd.",
        ),
        "change.expired": (
            "De wijzigingsaanvraag is vervallen",
            "De wijziging voor uw vestiging {site} is niet op tijd goedgekeurd; er is niets gewijzigd.",
        ),
        "change.scheduled": ("De wijziging is gepland", "De wijziging voor uw vestiging {site} is gepland."),
        "change.executing": (
            "De wijziging wordt uitgevoerd",
            "De wijziging voor uw vestiging {site} wordt nu uitgevoerd.",
        ),
        "change.done": ("De wijziging is uitgevoerd", "De wijziging voor uw vestiging {site} is uitgevoerd en getest."),
        "change.reverted": (
            "De wijziging is teruggedraaid",
            "De wijziging voor uw vestiging {site} werkte niet zoals het hoort en is teruggedraaid.",
        ),
        "change.stuck": (
            "De wijziging wordt nader bekeken",
            "De wijziging voor uw vestiging {site} kon niet vanzelf worden voltooid. Een van onze technici bekijkt ze.",
        ),
        "change.closed": (
            "Het ticket is afgesloten",
            "Het ticket voor de wijziging in uw vestiging {site} is afgesloten.",
        ),
        "activation.ordered": (
            "Uw vestiging wordt geactiveerd",
            "Wij hebben de bestelling voor uw vestiging {site} ontvangen en bereiden ze voor.",
        ),
        "activation.rush_answered": (
            "Over de datum die u vroeg",
            "Wij hebben de datum bekeken die u voor uw vestiging {site} vroeg.",
        ),
        "activation.activated": (
            "Uw vestiging is in dienst",
            "Uw vestiging {site} is ingesteld en getest, en is in dienst.",
        ),
        "activation.cancelled": (
            "De activering is geannuleerd",
            "De activering van uw vestiging {site} is geannuleerd.",
        ),
        "activation.failed": (
            "Een activering loopt vast",
            "De activering van vestiging {site} gaat niet vanzelf verder.",
        ),
        "activation.reported": (
            "Het rapport van een activering is er",
            "Het rapport van de activering van vestiging {site} is gemaakt.",
        ),
        "incident.opened": (
            "P{priority}-incident in {site}",
            "In {site} begon een incident met prioriteit P{priority}.",
        ),
        "incident.changed": (
            "Het incident in {site} is nu P{priority}",
            "Het incident in {site} heeft nu prioriteit P{priority}.",
        ),
        "incident.closed": ("Het P{priority}-incident in {site} is afgesloten", "Het incident in {site} is voorbij."),
        "line.cap_near": (
            "{site} nadert zijn mobiele datalimiet",
            "De mobiele back-up van {site} heeft het grootste deel van zijn volume voor deze maand verbruikt.",
        ),
        "line.cap_reached": (
            "{site} heeft zijn mobiele datalimiet bereikt",
            "De mobiele back-up van {site} heeft zijn volume voor deze maand verbruikt.",
        ),
    },
)

_FR: Final = _Words(
    "Madame, Monsieur,",
    "Ce message a été rédigé par nos systèmes ; veuillez mentionner le numéro de ticket dans toute question.",
    {
        "ticket": "Ticket",
        "site": "Site",
        "summary": "Modification",
        "incident": "Incident",
        "volume": "Volume",
        "reason": "Motif",
        "when": "Date",
        "differences": "Ce qui serait modifié",
    },
    {
        "change.submitted": (
            "Nous avons reçu votre demande de modification",
            "Une modification a été demandée pour votre site {site}. Nous l'examinons immédiatement.",
        ),
        "change.accepted": (
            "Votre accord est nécessaire",
            "La modification pour votre site {site} est possible et sera effectuée dès que vous l'aurez approuvée.",
        ),
        "change.accepted_by_right": (
            "Votre modification est en cours",
            "Le réglage que vous avez choisi pour votre site {site} est mis en place.",
        ),
        "change.asked_again": (
            "Votre accord est à nouveau nécessaire",
            "Votre équipement à {site} a changé depuis votre accord. Veuillez approuver la modification à nouveau.",
        ),
        "change.refused": (
            "Votre demande de modification est refusée",
            "Nous ne pouvons pas effectuer la modification demandée pour votre site {site}.",
        ),
        "change.approved": ("La modification est approuvée", "La modification pour votre site {site} a été approuvée."),
        "change.declined": (
            "La modification est rejetée",
            "La modification pour votre site {site} a été rejetée ; rien n'a été modifié.",
        ),
        "change.withdrawn": (
            "La demande de modification est retirée",
            "La demande de modification pour votre site {site} a été retirée ; rien n'a été modifié.",
        ),
        "change.expired": (
            "La demande de modification a expiré",
            "La modification pour votre site {site} n'a pas été approuvée à temps ; rien n'a été modifié.",
        ),
        "change.scheduled": ("La modification est planifiée", "La modification pour votre site {site} est planifiée."),
        "change.executing": (
            "La modification est en cours",
            "La modification pour votre site {site} est effectuée en ce moment.",
        ),
        "change.done": (
            "La modification est effectuée",
            "La modification pour votre site {site} a été effectuée et testée.",
        ),
        "change.reverted": (
            "La modification a été annulée",
            "La modification pour votre site {site} n'a pas fonctionné comme prévu et a été annulée.",
        ),
        "change.stuck": (
            "La modification demande un examen",
            "La modification pour votre site {site} n'a pas pu être achevée. Un de nos techniciens l'examine.",
        ),
        "change.closed": ("Le ticket est clôturé", "Le ticket de la modification de votre site {site} est clôturé."),
        "activation.ordered": (
            "Votre site est en cours d'activation",
            "Nous avons reçu la commande pour votre site {site} et le préparons.",
        ),
        "activation.rush_answered": (
            "Au sujet de la date demandée",
            "Nous avons examiné la date que vous avez demandée pour votre site {site}.",
        ),
        "activation.activated": (
            "Votre site est en service",
            "Votre site {site} a été configuré et testé ; il est en service.",
        ),
        "activation.cancelled": ("L'activation est annulée", "L'activation de votre site {site} a été annulée."),
        "activation.failed": (
            "Une activation n'avance plus",
            "L'activation du site {site} ne continue pas d'elle-même.",
        ),
        "activation.reported": (
            "Le rapport d'une activation est prêt",
            "Le rapport de l'activation du site {site} a été établi.",
        ),
        "incident.opened": (
            "Incident P{priority} à {site}",
            "Un incident de priorité P{priority} a commencé à {site}.",
        ),
        "incident.changed": (
            "L'incident à {site} est passé en P{priority}",
            "L'incident à {site} a maintenant la priorité P{priority}.",
        ),
        "incident.closed": ("L'incident P{priority} à {site} est clôturé", "L'incident à {site} est terminé."),
        "line.cap_near": (
            "{site} approche de son plafond de données mobiles",
            "Le secours mobile de {site} a consommé la plus grande partie de son volume de ce mois.",
        ),
        "line.cap_reached": (
            "{site} a atteint son plafond de données mobiles",
            "Le secours mobile de {site} a consommé son volume de ce mois.",
        ),
    },
)

_WORDS: Final[Mapping[str, _Words]] = {"en": _EN, "nl": _NL, "fr": _FR}
