"""Centroids of countries: the places that geolocation returns if it knows only the country.

A place is a centroid in either of two cases, and never if the event names a city:

1. It is a point of the tables below: within a kilometer of one of the Factbook, exactly one of the newer ones.
2. The event names a country and no city, and both coordinates are whole or half degrees. Measured places are more
   precise.

The Factbook's table has the point that the CIA World Factbook (public domain) lists for each country under "Geographic
coordinates"; most databases use it. Newer databases use the center of the population, often within the capital, so
these points must match to the last digit. Countries of a few hundred square kilometers are not included: their
centroid is as precise as a city.
"""

from collections.abc import Iterator

_NEAR_DEGREES = 0.01  # chosen: a kilometer; databases round to two to four digits
_EXACT_DEGREES = 0.00006  # four digits
_CELLS_PER_DEGREE = 100  # as large as _NEAR_DEGREES: a near point is in the same cell or one beside it

# Country code, latitude, longitude.
_FACTBOOK = """
AE 24 54; AF 33 65; AL 41 20; AM 40 45; AO -12.5 18.5; AR -34 -64; AT 47.3333 13.3333; AU -27 133; AZ 40.5 47.5;
BA 44 18; BD 24 90; BE 50.8333 4; BF 13 -2; BG 43 25; BH 26 50.55; BI -3.5 30; BJ 9.5 2.25; BN 4.5 114.6667;
BO -17 -65; BR -10 -55; BS 24.25 -76; BT 27.5 90.5; BW -22 24; BY 53 28; BZ 17.25 -88.75; CA 60 -95; CD 0 25; CF 7 21;
CG -1 15; CH 47 8; CI 8 -5; CK -21.2333 -159.7667; CL -30 -71; CM 6 12; CN 35 105; CO 4 -72; CR 10 -84; CU 21.5 -80;
CV 16 -24; CY 35 33; CZ 49.75 15.5; DE 51 9; DJ 11.5 43; DK 56 10; DO 19 -70.6667; DZ 28 3; EC -2 -77.5; EE 59 26;
EG 27 30; EH 24.5 -13; ER 15 39; ES 40 -4; ET 8 38; FI 64 26; FJ -18 175; FK -51.75 -59; FM 6.9167 158.25; FO 62 -7;
FR 46 2; GA -1 11.75; GB 54 -2; GE 42 43.5; GF 4 -53; GH 8 -2; GL 72 -40; GM 13.4667 -16.5667; GN 11 -10;
GP 16.25 -61.5833; GQ 2 10; GR 39 22; GT 15.5 -90.25; GU 13.4667 144.7833; GW 12 -15; GY 5 -59; HN 15 -86.5;
HR 45.1667 15.5; HT 19 -72.4167; HU 47 20; ID -5 120; IE 53 -8; IL 31.5 34.75; IN 20 77; IO -6 71.5; IQ 33 44;
IR 32 53; IS 65 -18; IT 42.8333 12.8333; JM 18.25 -77.5; JO 31 36; JP 36 138; KE 1 38; KG 41 75; KH 13 105;
KI 1.4167 173; KM -12.1667 44.25; KP 40 127; KR 37 127.5; KW 29.3375 47.6581; KZ 48 68; LA 18 105; LB 33.8333 35.8333;
LK 7 81; LR 6.5 -9.5; LS -29.5 28.5; LT 56 24; LU 49.75 6.1667; LV 57 25; LY 25 17; MA 32 -5; MD 47 29; ME 42 19;
MG -20 47; MK 41.8333 22; ML 17 -4; MM 22 98; MN 46 105; MQ 14.6667 -61; MR 20 -12; MU -20.2833 57.55; MW -13.5 34;
MX 23 -102; MY 2.5 112.5; MZ -18.25 35; NA -22 17; NC -21.5 165.5; NE 16 8; NG 10 8; NI 13 -85; NL 52.5 5.75;
NO 62 10; NP 28 84; NZ -41 174; OM 21 57; PA 9 -80; PE -10 -76; PF -15 -140; PG -6 147; PH 13 122; PK 30 70; PL 52 20;
PR 18.25 -66.5; PS 32 35.25; PT 39.5 -8; PW 7.5 134.5; PY -23 -58; QA 25.5 51.25; RE -21.1 55.6; RO 46 25; RS 44 21;
RU 60 100; RW -2 30; SA 25 45; SB -8 159; SC -4.5833 55.6667; SD 15 30; SE 62 15; SI 46 15; SK 48.6667 19.5;
SL 8.5 -11.5; SN 14 -14; SO 10 49; SR 4 -56; ST 1 7; SV 13.8333 -88.9167; SY 35 38; SZ -26.5 31.5; TC 21.75 -71.5833;
TD 15 19; TG 8 1.1667; TH 15 100; TJ 39 71; TL -8.55 125.5167; TM 40 60; TN 34 9; TO -20 -175; TR 39 35; TT 11 -61;
TW 23.5 121; TZ -6 35; UA 49 32; UG 1 32; US 38 -97; UY -33 -56; UZ 41 64; VE 8 -66; VN 16 106; VU -16 167;
WS -13.5833 -172.3333; YE 15 48; YT -12.8333 45.1667; ZA -29 24; ZM -15 30; ZW -20 30
"""
_NEWER = """
AR -34.6022 -58.3845; AU -33.494 143.2104; BR -22.8305 -43.2192; CA 43.6319 -79.3716; CH 47.1449 8.1551;
CN 34.7725 113.7266; CN 34.7732 113.722; CZ 50.0848 14.4112; DE 51.2993 9.491; DK 55.7123 12.0564; ES 40.4172 -3.684;
FI 60.1717 24.9349; FR 48.8582 2.3387; GB 51.4964 -0.1224; ID -6.175 106.8286; IE 53.3472 -6.2439; IN 21.9974 79.0011;
IT 43.1479 12.1097; JP 35.6897 139.6895; KR 37.5112 126.9741; MX 19.4371 -99.013; NL 52.3824 4.8995; NO 59.955 10.859;
PL 52.2394 21.0362; PT 38.7057 -9.1359; RU 55.7386 37.6068; SE 59.3247 18.056; TR 41.0214 28.9948;
TW 25.0504 121.5324; UA 50.4522 30.5287; US 37.751 -97.822; US 39.76 -98.5; ZA -28.9984 23.9888
"""


def _points(table: str) -> Iterator[tuple[float, float]]:
    for entry in table.replace("\n", " ").split(";"):
        _, latitude, longitude = entry.split()
        yield float(latitude), float(longitude)


def _cell(latitude: float, longitude: float) -> tuple[int, int]:
    return round(latitude * _CELLS_PER_DEGREE), round(longitude * _CELLS_PER_DEGREE)


def _by_cell() -> dict[tuple[int, int], list[tuple[float, float, float]]]:
    cells: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    for table, tolerance in ((_FACTBOOK, _NEAR_DEGREES), (_NEWER, _EXACT_DEGREES)):
        for latitude, longitude in _points(table):
            cells.setdefault(_cell(latitude, longitude), []).append((latitude, longitude, tolerance))
    return cells


_CENTROIDS = _by_cell()


def is_centroid(latitude: float, longitude: float, *, country: str | None, city: str | None) -> bool:
    """Return whether coordinates are only the centroid of a country.

    Args:
        country, city: the names in the event; None: not supplied.

    >>> is_centroid(46, 2, country=None, city=None), is_centroid(48.8566, 2.3522, country="FR", city=None)
    (True, False)
    """
    if city:
        return False
    if country and (latitude * 2) % 1 == 0 == (longitude * 2) % 1:
        return True
    row, column = _cell(latitude, longitude)
    return any(
        abs(point[0] - latitude) <= point[2] and abs(point[1] - longitude) <= point[2]
        for near in ((row + north, column + east) for north in (-1, 0, 1) for east in (-1, 0, 1))
        for point in _CENTROIDS.get(near, ())
    )
